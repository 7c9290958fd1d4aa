/**
 * Waits for the first word of a stream: as long as nothing was sent to the client, another model can serve in place of one that only says that it
 * failed.
 *
 * @module
 */
import { type Clock, joinBytes, type SynthError } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import {
  asFields,
  asText,
  errorOfChunk,
  type Fields,
  reasoningDetails,
} from "../bridge/chat_chunk.ts";
import { endingOf, serverError } from "../bridge/stream/terminal.ts";
import { streamError } from "../bridge/upstream_error.ts";
import { errorData } from "./error_data.ts";
import { failedResponseError, turnError } from "./turn_error.ts";
import { lateBody } from "../upstreams/late_body.ts";
import type { ByteSource } from "../upstreams/transport.ts";

/** What a stream says first. */
export type FirstWord =
  /** An answer, or an error that the next model would give as well: all of it can still be read. */
  | { readonly source: ByteSource }
  /** Nothing but a failure. `told`: the body that may name its usage. */
  | { readonly failure: SynthError; readonly told: unknown };

/** How long is waited. */
export interface ProbeOptions {
  readonly clock: Clock;
  /** The upstream's key is masked in what an error quotes. */
  readonly mask: (text: string) => string;
  /** Milliseconds without a byte. */
  readonly idleMs: number;
}

/**
 * Milliseconds that an announcement (`response.created`, a chunk with nothing but a role) is held back for what follows it. Output is never held back.
 */
export const ANNOUNCED_MS = 250;

type Verdict = { kind: "nothing" | "announced" | "answer" } | {
  kind: "failed";
  raw: unknown;
  told: unknown;
};

/** Reads until a stream has said something, or has ended without. Never rejects. */
export async function firstWord(source: ByteSource, options: ProbeOptions): Promise<FirstWord> {
  const { clock, mask } = options;
  const kept: Uint8Array[] = [];
  let verdict: Verdict = { kind: "nothing" };
  let over = false;
  const parser = new SseParser({
    onEvent(data, type) {
      if (over || verdict.kind === "answer" || verdict.kind === "failed") return;
      if (data.trim() === "[DONE]") over = true;
      else {
        const masked = mask(data);
        const next = judge(type === "error" ? errorData(masked) : masked);
        if (next.kind !== "nothing") verdict = next;
      }
    },
  });
  const settled = (): Verdict => verdict;
  while (true) {
    const reading = source.read();
    const announced = settled().kind === "announced";
    let bytes: Uint8Array | null | "late";
    try {
      bytes = await soon(reading, clock, announced ? ANNOUNCED_MS : options.idleMs);
      if (bytes === "late") {
        if (announced) return { source: replay(kept, reading, source) };
        source.cancel();
        reading.catch(() => {});
        return { failure: lateBody(), told: null };
      }
      if (bytes === null) parser.end();
      else {
        // The transport may use its buffer again.
        kept.push(bytes.slice());
        parser.push(bytes);
      }
    } catch (error) {
      source.cancel();
      return { failure: failedResponseError(turnError(error)), told: null };
    }
    const now = settled();
    if (now.kind === "answer") return { source: replay(kept, null, source) };
    if (now.kind === "failed") {
      const failure = failedResponseError(streamError(now.raw));
      // What another model would refuse as well is told as it always is.
      if (failure.status < 500 && failure.status !== 429) {
        return { source: replay(kept, null, source) };
      }
      source.cancel();
      return { failure, told: now.told };
    }
    if (bytes === null || over) {
      source.cancel();
      const error = serverError("The upstream answered nothing");
      return { failure: failedResponseError(error), told: null };
    }
  }
}

/** What one event of either API says. */
function judge(data: string): Verdict {
  let event: Fields | null;
  try {
    event = asFields(JSON.parse(data));
  } catch {
    return { kind: "nothing" };
  }
  if (event === null) return { kind: "nothing" };
  const type = asText(event.type);
  const response = event.object === "response" ? event : asFields(event.response);
  const status = type.startsWith("response.") ? type.slice(9) : asText(response?.status);
  if (response !== null && (status === "failed" || status === "cancelled")) {
    const raw = asFields(response.error) ?? { message: `The upstream's response is ${status}` };
    return { kind: "failed", raw, told: response };
  }
  if (
    type === "response.created" || type === "response.in_progress" || type === "response.queued"
  ) {
    return { kind: "announced" };
  }
  if (type.startsWith("response.") || event.object === "response") return { kind: "answer" };
  const error = type === "error" && asFields(event.error) === null ? event : errorOfChunk(event);
  if (error !== null) return { kind: "failed", raw: error, told: event };
  return judgeChunk(event);
}

function judgeChunk(chunk: Fields): Verdict {
  if (!Array.isArray(chunk.choices) || chunk.choices.length === 0) return { kind: "nothing" };
  for (const one of chunk.choices) {
    const choice = asFields(one);
    const finish = asText(choice?.finish_reason);
    const ending = finish === ""
      ? null
      : endingOf({ end: "done", error: undefined, finish, any: true });
    if (ending?.kind === "failed") return { kind: "failed", raw: ending.error, told: chunk };
    if (ending !== null || asText(choice?.text) !== "") return { kind: "answer" };
    const delta = asFields(choice?.delta) ?? asFields(choice?.message);
    if (delta !== null && says(delta)) return { kind: "answer" };
  }
  return { kind: "announced" };
}

/** Whether a delta holds anything but its role. */
function says(delta: Fields): boolean {
  return Object.entries(delta).some(([key, value]) => {
    if (key === "role" || value === null || value === "") return false;
    return Array.isArray(value) ? value.length > 0 : true;
  }) || reasoningDetails(delta).length > 0;
}

/** The bytes that were read, what is being read, and the rest. */
function replay(
  kept: readonly Uint8Array[],
  reading: Promise<Uint8Array | null> | null,
  source: ByteSource,
): ByteSource {
  let first: Uint8Array | null = joinBytes(kept);
  let next = reading;
  // It may fail before somebody reads on.
  next?.catch(() => {});
  return {
    read() {
      if (first !== null) {
        const given = first;
        first = null;
        return Promise.resolve(given);
      }
      const given = next ?? source.read();
      next = null;
      return given;
    },
    cancel() {
      first = null;
      source.cancel();
    },
  };
}

async function soon<T>(promise: Promise<T>, clock: Clock, ms: number): Promise<T | "late"> {
  const late = Promise.withResolvers<"late">();
  const stop = clock.after(ms, () => late.resolve("late"));
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    stop();
  }
}

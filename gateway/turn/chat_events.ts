/** The answer of an upstream as a stream of Chat chunks, also when it is one JSON body. @module */
import { SynthError } from "@synth/core";
import { encodeSseData, SSE_DONE } from "@synth/core/sse";
import { watchClient } from "../upstreams/open_upstream.ts";
import { usageBeside } from "../bridge/stream/usage.ts";
import { upstreamBodyError } from "../bridge/upstream_error.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import type { Lease } from "../sessions/lease.ts";
import { settledInTime } from "../sessions/settled_in_time.ts";
import { lateBody } from "../upstreams/late_body.ts";
import { readTextInTime } from "../upstreams/read_text.ts";
import type { ByteSource, TransportReply, WholeAnswer } from "../upstreams/transport.ts";
import { withoutKey } from "../upstreams/without_key.ts";
import { firstWord } from "./first_word.ts";

const MAX_BODY_BYTES = 32 * 1024 * 1024;

/**
 * What to read, or the error that the body was; the lease is settled then.
 *
 * @param secret the upstream's key: masked, should the upstream quote it
 * @param probeMs another model could serve: the first event is waited for, so many milliseconds without a byte, and a stream that says nothing but that it
 * failed is an error. `null`: whatever a stream says goes to the client.
 */
export async function chatEvents(
  reply: TransportReply,
  services: Services,
  lease: Lease,
  context: RequestContext,
  secret: string | null,
  probeMs: number | null = null,
): Promise<{ source: ByteSource } | { error: SynthError }> {
  const opened = await bodyEvents(reply, services, lease, context, secret);
  if (probeMs === null || "error" in opened) return opened;
  const mask = (text: string): string => withoutKey(text, secret);
  const stopWatching = watchClient(context);
  const word = await firstWord(opened.source, { clock: services.clock, mask, idleMs: probeMs });
  stopWatching();
  if ("source" in word) return word;
  await settleFailed(services, lease, context, word.failure, word.told);
  return { error: context.abortReason ?? word.failure };
}

async function bodyEvents(
  reply: TransportReply,
  services: Services,
  lease: Lease,
  context: RequestContext,
  secret: string | null,
): Promise<{ source: ByteSource } | { error: SynthError }> {
  const type = (reply.headers.get("content-type") ?? "").toLowerCase();
  if (type.includes("html")) {
    reply.body.cancel();
    await settledInTime(context, services.admission.charge(lease));
    return { error: webPage() };
  }
  if (!type.includes("json")) return { source: reply.body };
  const { gateway } = context.snapshot.config;
  const idleMs = gateway.idle_timeout_s * 1000;
  const { text, late } = await readTextInTime(reply.body, MAX_BODY_BYTES, services.clock, idleMs);
  const masked = withoutKey(text, secret);
  const body = parsed(masked);
  const error = body === undefined ? late ? lateBody() : unreadable() : upstreamBodyError(body);
  if (error === null) return { source: new OneEvent({ text: masked, json: body }) };
  await settleFailed(services, lease, context, error, body);
  return { error };
}

/** Refusals cost nothing; behind anything else a model may have worked. */
async function settleFailed(
  { admission }: Services,
  lease: Lease,
  context: RequestContext,
  error: SynthError,
  body: unknown,
): Promise<void> {
  const usage = usageBeside(body);
  const end = usage !== null
    ? admission.settle(lease, { usage, outputBytes: 0 })
    : error.status < 500
    ? admission.release(lease)
    : admission.charge(lease);
  await settledInTime(context, end);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unreadable(): SynthError {
  return new SynthError("The upstream's answer is not JSON although it says so", {
    code: "upstream_invalid_answer",
    status: 502,
    type: "server_error",
  });
}

function webPage(): SynthError {
  return new SynthError("The upstream answered with a web page", {
    code: "upstream_invalid_answer",
    status: 502,
    type: "server_error",
    hint: "The operator must check the upstream's base_url",
  });
}

/** A stream of one event and `[DONE]`, whose data need not become bytes for a reader that takes it as it is. */
class OneEvent implements ByteSource {
  #answer: WholeAnswer | null;

  constructor(answer: WholeAnswer) {
    this.#answer = answer;
  }

  takeEvent(): WholeAnswer | null {
    const answer = this.#answer;
    this.#answer = null;
    return answer;
  }

  read(): Promise<Uint8Array | null> {
    const answer = this.takeEvent();
    // Written anew, since the text may have line ends.
    return Promise.resolve(
      answer === null ? null : new TextEncoder().encode(encodeSseData(answer.json) + SSE_DONE),
    );
  }

  cancel(): void {
    this.#answer = null;
  }
}

/** A Chat stream passed on: events as they are, their usage read, and hidden from a client that did not ask for it. @module */
import { encodeSseComment, encodeSseData, SSE_DONE } from "@synth/core/sse";
import {
  asFields,
  asText,
  callDelta,
  errorOfChunk,
  type Fields,
  reasoningDetails,
  reasoningText,
} from "../bridge/chat_chunk.ts";
import type { ResponseError } from "../bridge/response_object.ts";
import { chatUsage } from "../bridge/reverse/chat_words.ts";
import { Malformed } from "../bridge/stream/malformed.ts";
import { type Ending, endingOf } from "../bridge/stream/terminal.ts";
import type { TurnEnd } from "../bridge/stream/machine.ts";
import { type TurnUsage, UsageMeter } from "../bridge/stream/usage.ts";
import { utf8Length } from "../bridge/stream/utf8_length.ts";
import { streamError, streamErrorOf } from "../bridge/upstream_error.ts";
import type { Translation } from "../turn/translation.ts";
import { chatError } from "./chat_error.ts";
import { ChoiceEnds } from "./choice_ends.ts";

/** How a relay is made. */
export interface ChatRelayOptions {
  /** Bytes of the request, for an estimate. */
  readonly inputBytes: number;
  /** Whether the client asked for the usage chunk. */
  readonly showUsage: boolean;
  /** How many choices the client asked for. @default {1} */
  readonly choices?: number;
  /** The name to give where another model serves. @default {the upstream's word stands} */
  readonly model?: string | null;
}

const encoder = new TextEncoder();
/** What every chunk of an answer repeats. */
const HEAD = ["id", "object", "created", "model", "system_fingerprint"] as const;

/** Relays one stream. */
export class ChatRelay implements Translation {
  readonly #options: ChatRelayOptions;
  readonly #meter: UsageMeter = new UsageMeter();
  readonly #ends: ChoiceEnds;
  readonly #malformed: Malformed = new Malformed();
  /** The members that its chunks have in common, for those that are ours. */
  #head: Fields = { object: "chat.completion.chunk" };
  #pending = "";
  #outputBytes = 0;
  #reasoningBytes = 0;
  #usageShown = false;
  #outcome = "failed";
  #error: ResponseError | null = null;
  #done = false;

  constructor(options: ChatRelayOptions) {
    this.#options = options;
    this.#ends = new ChoiceEnds(options.choices ?? 1);
  }

  get done(): boolean {
    return this.#done;
  }

  get started(): boolean {
    return this.#outputBytes > 0;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  get uncountedBytes(): number {
    return this.#ends.reason === null ? this.#meter.uncounted(this.#outputBytes) : 0;
  }

  get usage(): TurnUsage {
    return this.#meter.read({
      input: this.#options.inputBytes,
      output: this.#outputBytes,
      reasoning: this.#reasoningBytes,
    });
  }

  get hasPending(): boolean {
    return this.#pending !== "";
  }

  /** Chat has no event before the first chunk. */
  start(): void {}

  event(data: string): void {
    if (this.#done) return;
    const chunk = parsed(data);
    // What is no chunk is no use to a Chat client either.
    if (chunk === null) return this.#malformedChunk();
    this.#meter.take(chunk.usage, this.#outputBytes);
    this.#meter.take(asFields(chunk.x_groq)?.usage, this.#outputBytes);
    const error = errorOfChunk(chunk);
    if (error !== null) return this.#fail(streamError(error));
    const { model, showUsage } = this.#options;
    if (typeof model === "string") chunk["model"] = model;
    const choices = deltasOf(chunk);
    if (this.#head.id === undefined) {
      for (const name of HEAD) if (chunk[name] !== undefined) this.#head[name] = chunk[name];
    }
    for (const choice of choices) this.#weigh(asFields(choice));
    const counted = asFields(chunk.usage) !== null;
    if (choices.length === 0 && counted && !showUsage) return;
    this.#usageShown ||= counted;
    this.#pending += encodeSseData(chunk);
  }

  finish(end: TurnEnd): void {
    if (this.#done) return;
    const ending = this.#ending(end);
    if (ending.kind === "failed") return this.#fail(ending.error);
    this.#done = true;
    this.#outcome = ending.kind === "normal" ? "completed" : "incomplete";
    if (ending.kind === "cut") {
      const choices = this.#ends.open.map((index) => ({
        index,
        delta: {},
        finish_reason: "length",
      }));
      if (choices.length > 0) this.#pending += encodeSseData({ ...this.#head, choices });
    }
    if (this.#options.showUsage && !this.#usageShown) {
      // It was asked for, and clients wait for it; the upstream did not come to it.
      this.#pending += encodeSseData({
        ...this.#head,
        choices: [],
        usage: chatUsage(this.usage),
      });
    }
    this.#pending += SSE_DONE;
  }

  keepalive(): void {
    this.#pending += encodeSseComment("keepalive");
  }

  outcome(): { readonly [key: string]: string } {
    const failed = this.#error === null ? {} : { error_code: this.#error.code };
    return { outcome: this.#outcome, ...failed };
  }

  flush(): Uint8Array<ArrayBuffer> | null {
    if (this.#pending === "") return null;
    const bytes = encoder.encode(this.#pending);
    this.#pending = "";
    return bytes;
  }

  /**
   * When every choice had ended before the connection failed or fell silent, nothing but the usage is missing: to fail would make the client pay for the
   * answer once more.
   */
  #ending({ reason, error }: TurnEnd): Ending {
    const broken = reason === "error" || reason === "idle";
    return endingOf({
      end: broken && this.#ends.isOver ? "done" : reason,
      error: error === undefined ? undefined : streamErrorOf(error),
      finish: this.#ends.reason,
      any: this.#outputBytes > 0,
    });
  }

  #malformedChunk(): void {
    const error = this.#malformed.add();
    if (error !== null) this.#fail(error);
  }

  #fail(error: ResponseError): void {
    this.#done = true;
    this.#error = error;
    this.#pending += encodeSseData(chatError(error));
  }

  #weigh(choice: Fields | null): void {
    if (choice === null) return;
    const delta = asFields(choice.delta) ?? {};
    const { tool_calls, function_call, content } = delta;
    const thought = utf8Length(reasoningText(delta, reasoningDetails(delta)));
    this.#reasoningBytes += thought;
    this.#outputBytes += thought + contentBytes(content) + utf8Length(asText(delta.refusal)) +
      utf8Length(asText(choice.text));
    let calls = 0;
    for (const call of [...Array.isArray(tool_calls) ? tool_calls : [], function_call]) {
      const read = callDelta(call);
      if (read !== null) calls += utf8Length(read.name) + utf8Length(read.args);
    }
    this.#outputBytes += calls;
    this.#ends.take(choice, calls > 0);
  }
}

/** The choices of a chunk. A whole answer where a stream was asked for becomes deltas, which are all that a client of a stream reads. */
function deltasOf(chunk: Fields): readonly unknown[] {
  const { choices } = chunk;
  if (!Array.isArray(choices)) return [];
  if (!choices.some((choice) => asFields(asFields(choice)?.message) !== null)) return choices;
  chunk["object"] = "chat.completion.chunk";
  const deltas = choices.map(asDelta);
  chunk["choices"] = deltas;
  return deltas;
}

function asDelta(value: unknown): unknown {
  const choice = asFields(value);
  const message = asFields(choice?.message);
  if (choice === null || message === null || asFields(choice.delta) !== null) return value;
  const { message: _, ...rest } = choice;
  const { tool_calls } = message;
  const calls = Array.isArray(tool_calls)
    ? { tool_calls: tool_calls.map((call, index) => ({ index, ...asFields(call) })) }
    : {};
  return { ...rest, delta: { ...message, ...calls } };
}

function contentBytes(content: unknown): number {
  if (typeof content === "string") return utf8Length(content);
  return Array.isArray(content) ? utf8Length(JSON.stringify(content)) : 0;
}

function parsed(data: string): Fields | null {
  try {
    return asFields(JSON.parse(data));
  } catch {
    return null;
  }
}

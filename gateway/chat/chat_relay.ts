/** A Chat stream passed on: events as they are, their usage read, and hidden from a client that did not ask for it. @module */
import { encodeSseComment, encodeSseData, SSE_DONE } from "@synth/core/sse";
import { asFields, asText, callDelta, errorOfChunk, type Fields } from "../bridge/chat_chunk.ts";
import { endingOf } from "../bridge/stream/terminal.ts";
import type { TurnEnd } from "../bridge/stream/machine.ts";
import { type TurnUsage, UsageMeter } from "../bridge/stream/usage.ts";
import { utf8Length } from "../bridge/stream/utf8_length.ts";
import type { Translation } from "../turn/translation.ts";

const encoder = new TextEncoder();

/** Relays one stream. */
export class ChatRelay implements Translation {
  readonly #inputBytes: number;
  readonly #showUsage: boolean;
  readonly #meter: UsageMeter = new UsageMeter();
  #pending = "";
  #outputBytes = 0;
  #reasoningBytes = 0;
  #finish: string | null = null;
  #outcome = "failed";
  #done = false;

  /**
   * @param inputBytes of the request, for an estimate
   * @param showUsage whether the client asked for the usage chunk
   */
  constructor(inputBytes: number, showUsage: boolean) {
    this.#inputBytes = inputBytes;
    this.#showUsage = showUsage;
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
    return this.#finish === null ? this.#meter.uncounted(this.#outputBytes) : 0;
  }

  get usage(): TurnUsage {
    return this.#meter.read({
      input: this.#inputBytes,
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
    const chunk = parsed(data);
    // What is no chunk is no use to a Chat client either.
    if (chunk === null) return;
    this.#meter.take(chunk.usage, this.#outputBytes);
    this.#meter.take(asFields(chunk.x_groq)?.usage, this.#outputBytes);
    if (errorOfChunk(chunk) !== null) {
      this.#pending += encodeSseData(chunk);
      this.#done = true;
      return;
    }
    const choices = Array.isArray(chunk.choices) ? chunk.choices : [];
    for (const choice of choices) this.#weigh(asFields(choice));
    if (choices.length === 0 && asFields(chunk.usage) !== null && !this.#showUsage) return;
    this.#pending += encodeSseData(chunk);
  }

  finish(end: TurnEnd): void {
    if (this.#done) return;
    this.#done = true;
    const any = this.#outputBytes > 0;
    const ending = endingOf({ end: end.reason, error: end.error, finish: this.#finish, any });
    if (ending.kind === "failed") {
      const { code, message } = ending.error;
      const error = { type: "server_error", code, message, param: null };
      this.#pending += encodeSseData({ error });
      return;
    }
    this.#outcome = ending.kind === "normal" ? "completed" : "incomplete";
    if (ending.kind === "cut") {
      const choices = [{ index: 0, delta: {}, finish_reason: "length" }];
      this.#pending += encodeSseData({ object: "chat.completion.chunk", choices });
    }
    this.#pending += SSE_DONE;
  }

  keepalive(): void {
    this.#pending += encodeSseComment("keepalive");
  }

  outcome(): { readonly [key: string]: string } {
    return { outcome: this.#outcome };
  }

  flush(): Uint8Array<ArrayBuffer> | null {
    if (this.#pending === "") return null;
    const bytes = encoder.encode(this.#pending);
    this.#pending = "";
    return bytes;
  }

  #weigh(choice: Fields | null): void {
    if (choice === null) return;
    if (typeof choice.finish_reason === "string") this.#finish ??= choice.finish_reason || null;
    const delta = asFields(choice.delta) ?? asFields(choice.message);
    if (delta === null) return;
    const thought = utf8Length(asText(delta.reasoning_content) || asText(delta.reasoning));
    this.#reasoningBytes += thought;
    this.#outputBytes += thought + contentBytes(delta.content) + utf8Length(asText(delta.refusal));
    const calls = Array.isArray(delta.tool_calls) ? delta.tool_calls : [];
    for (const call of [...calls, delta.function_call]) {
      const read = callDelta(call);
      if (read !== null) this.#outputBytes += utf8Length(read.name) + utf8Length(read.args);
    }
  }
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

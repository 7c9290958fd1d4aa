/** Responses events to a Chat answer, as a turn needs it. @module */
import { type Json, newId } from "@synth/core";
import { encodeSseComment, encodeSseData, SSE_DONE } from "@synth/core/sse";
import { asFields } from "../bridge/chat_chunk.ts";
import type { ResponseError } from "../bridge/response_object.ts";
import { type ChatDelta, ChatMachine, type ChatSink } from "../bridge/reverse/chat_machine.ts";
import { ChatMessageBuilder } from "../bridge/reverse/chat_message.ts";
import { chatUsage } from "../bridge/reverse/chat_words.ts";
import { Malformed } from "../bridge/stream/malformed.ts";
import type { TurnEnd } from "../bridge/stream/machine.ts";
import type { TurnUsage } from "../bridge/stream/usage.ts";
import type { Translation } from "../turn/translation.ts";
import { chatError } from "./chat_error.ts";

/** How one answer is made. */
export interface ReverseTranslationOptions {
  /** As the client named it. */
  readonly model: string;
  /** Unix seconds. */
  readonly createdAt: number;
  readonly inputBytes: number;
  readonly legacyCalls: boolean;
  /** Whether chunks are written; else only the whole completion is of interest. */
  readonly stream: boolean;
  /** Whether the client asked for the usage chunk. */
  readonly showUsage: boolean;
}

const encoder = new TextEncoder();

/** Owns the machine of one completion. */
export class ReverseTranslation implements Translation, ChatSink {
  readonly #options: ReverseTranslationOptions;
  readonly #id: string = newId("chatcmpl-");
  readonly #machine: ChatMachine;
  readonly #message: ChatMessageBuilder | null;
  readonly #malformed: Malformed = new Malformed();
  #pending = "";
  #error: ResponseError | null = null;
  #finish: string | null = null;

  constructor(options: ReverseTranslationOptions) {
    const { inputBytes, legacyCalls } = options;
    this.#options = options;
    this.#message = options.stream ? null : new ChatMessageBuilder();
    this.#machine = new ChatMachine({ sink: this, inputBytes, legacyCalls });
  }

  /** What went wrong, if anything did. */
  get failure(): ResponseError | null {
    return this.#error;
  }

  /** The whole answer of a turn that is over and did not fail. */
  get completion(): { [key: string]: Json } {
    const { message, logprobs } = this.#message?.message ?? { message: {}, logprobs: null };
    return {
      ...this.#head("chat.completion"),
      choices: [{ index: 0, message, logprobs, finish_reason: this.#finish }],
      usage: chatUsage(this.usage),
    };
  }

  get done(): boolean {
    return this.#machine.done;
  }

  get complete(): boolean {
    return this.#machine.outcome === "completed";
  }

  get started(): boolean {
    return this.#machine.outputBytes > 0;
  }

  get outputBytes(): number {
    return this.#machine.outputBytes;
  }

  /** None: the upstream counts once, at the end. */
  get uncountedBytes(): number {
    return 0;
  }

  get usage(): TurnUsage {
    return this.#machine.usage;
  }

  get hasPending(): boolean {
    return this.#pending !== "";
  }

  /** Chat has no event before the first chunk. */
  start(): void {}

  event(data: string): void {
    let event: unknown = null;
    try {
      event = JSON.parse(data);
    } catch {
      // What is no event says nothing; without a terminal one the answer fails.
    }
    if (asFields(event) !== null) return this.#machine.event(event);
    const error = this.#malformed.add();
    if (error === null) return;
    this.#machine.finish({ reason: "error", error, now: this.#options.createdAt });
  }

  finish(end: TurnEnd): void;
  finish(reason: string): void;
  finish(end: TurnEnd | string): void {
    if (typeof end !== "string") return this.#machine.finish(end);
    this.#finish = end;
    if (!this.#options.stream) return;
    this.#chunk([{ index: 0, delta: {}, logprobs: null, finish_reason: end }]);
    if (this.#options.showUsage) this.#chunk([], chatUsage(this.usage));
    this.#pending += SSE_DONE;
  }

  delta(delta: ChatDelta, logprobs: Json): void {
    if (this.#message !== null) this.#message.add(delta, logprobs);
    else this.#chunk([{ index: 0, delta, logprobs, finish_reason: null }]);
  }

  error(error: ResponseError): void {
    this.#error = error;
    if (!this.#options.stream) return;
    this.#pending += encodeSseData(chatError(error));
  }

  keepalive(): void {
    this.#pending += encodeSseComment("keepalive");
  }

  outcome(): { readonly [key: string]: string } {
    const failed = this.#error === null ? {} : { error_code: this.#error.code };
    return { outcome: this.#machine.outcome, ...failed };
  }

  flush(): Uint8Array<ArrayBuffer> | null {
    if (this.#pending === "") return null;
    const bytes = encoder.encode(this.#pending);
    this.#pending = "";
    return bytes;
  }

  #chunk(choices: Json, usage: Json = null): void {
    const told = this.#options.showUsage ? { usage } : {};
    this.#pending += encodeSseData({ ...this.#head("chat.completion.chunk"), choices, ...told });
  }

  #head(object: string): { [key: string]: Json } {
    const { model, createdAt } = this.#options;
    const tier = this.#machine.serviceTier;
    return {
      id: this.#id,
      object,
      created: createdAt,
      model,
      ...(tier === null ? {} : { service_tier: tier }),
    };
  }
}

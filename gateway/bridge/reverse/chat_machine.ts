/**
 * Responses events to Chat Completions, chunk by chunk (bridge.md 13). What was not streamed is taken from the events that repeat it: the done
 * events, the items, the final object. Synchronous; nothing here throws.
 *
 * @module
 */
import type { Json } from "@synth/core";
import { asFields, asText, type Fields, safeJson } from "../chat_chunk.ts";
import type { ResponseError } from "../response_object.ts";
import { endingOf } from "../stream/terminal.ts";
import type { TurnEnd } from "../stream/machine.ts";
import { type TurnUsage, UsageMeter } from "../stream/usage.ts";
import { utf8Length } from "../stream/utf8_length.ts";
import { streamError } from "../upstream_error.ts";
import { annotationOf, chatLogprobs } from "./chat_words.ts";
import { type OpenCall, ReverseCalls } from "./reverse_calls.ts";

/** A delta of a choice. */
export type ChatDelta = { [key: string]: Json };

/** Takes what the machine makes. */
export interface ChatSink {
  /** @param logprobs of the delta's text, or `null` */
  delta(delta: ChatDelta, logprobs: Json): void;
  finish(reason: string): void;
  /** The last thing, instead of a finish. */
  error(error: ResponseError): void;
}

/** How a machine is made. */
export interface ChatMachineOptions {
  readonly sink: ChatSink;
  /** Bytes of the request, for an estimate. */
  readonly inputBytes: number;
  /** Calls are told as `function_call`. */
  readonly legacyCalls: boolean;
}

/** Turns one response into one choice. */
export class ChatMachine {
  readonly #options: ChatMachineOptions;
  readonly #sink: ChatSink;
  readonly #meter: UsageMeter = new UsageMeter();
  readonly #calls: ReverseCalls = new ReverseCalls();
  /** What was sent of each text, by item and part. */
  readonly #sent: Map<string, string> = new Map();
  /** Where items were, by their ids: a final output that lost an item has other places. */
  readonly #places: Map<string, string> = new Map();
  #begun = false;
  #done = false;
  #outcome: "completed" | "incomplete" | "failed" = "failed";
  #outputBytes = 0;
  #reasoningBytes = 0;
  #serviceTier: string | null = null;

  constructor(options: ChatMachineOptions) {
    this.#options = options;
    this.#sink = options.sink;
  }

  get done(): boolean {
    return this.#done;
  }

  get outcome(): string {
    return this.#outcome;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  get serviceTier(): string | null {
    return this.#serviceTier;
  }

  get usage(): TurnUsage {
    return this.#meter.read({
      input: this.#options.inputBytes,
      output: this.#outputBytes,
      reasoning: this.#reasoningBytes,
    });
  }

  /** Takes one event, or a whole response object. */
  event(value: unknown): void {
    const event = asFields(value);
    if (event === null || this.#done) return;
    if (event.object === "response") return this.#whole(event);
    switch (event.type) {
      case "response.created":
      case "response.in_progress":
        return this.#begin();
      case "response.output_item.added":
        return this.#item(event, false);
      case "response.output_item.done":
        return this.#item(event, true);
      case "response.output_text.delta":
        return this.#text("content", textKey(event, "c"), asText(event.delta), event.logprobs);
      case "response.output_text.done":
        return this.#rest("content", textKey(event, "c"), asText(event.text), event.logprobs);
      case "response.refusal.delta":
        return this.#text("refusal", textKey(event, "c"), asText(event.delta));
      case "response.refusal.done":
        return this.#rest("refusal", textKey(event, "c"), asText(event.refusal));
      case "response.reasoning_summary_text.delta":
        return this.#text("reasoning_content", textKey(event, "s"), asText(event.delta));
      case "response.reasoning_summary_text.done":
        return this.#rest("reasoning_content", textKey(event, "s"), asText(event.text));
      case "response.reasoning_text.delta":
        return this.#text("reasoning_content", textKey(event, "r"), asText(event.delta));
      case "response.reasoning_text.done":
        return this.#rest("reasoning_content", textKey(event, "r"), asText(event.text));
      case "response.output_text.annotation.added":
        return this.#annotate(event.annotation);
      case "response.function_call_arguments.delta":
      case "response.custom_tool_call_input.delta":
        return this.#arguments(this.#calls.find(event), asText(event.delta), false);
      case "response.function_call_arguments.done":
        return this.#arguments(this.#calls.find(event), asText(event.arguments), true);
      case "response.custom_tool_call_input.done":
        return this.#arguments(this.#calls.find(event), asText(event.input), true);
      case "response.completed":
      case "response.incomplete":
      case "response.failed":
      case "response.cancelled":
        return this.#terminal(asFields(event.response) ?? {}, event.type.slice(9));
      case "error":
        return this.#fail(streamError(asFields(event.error) === null ? event : event.error));
      default:
        // Hosted tools and vendors have events of their own; Chat has no words for them.
        if (asFields(event.error) !== null) this.#fail(streamError(event.error));
    }
  }

  /** Ends the answer, if it has not ended itself. Only a terminal event says that all was well. */
  finish(end: TurnEnd): void {
    if (this.#done) return;
    const reason = end.reason === "done" ? "eof" : end.reason;
    const ending = endingOf({ end: reason, error: end.error, finish: null, any: this.#begun });
    if (ending.kind === "failed") return this.#fail(ending.error);
    this.#begin();
    this.#conclude("incomplete", "length");
  }

  #begin(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#sink.delta({ role: "assistant", content: "" }, null);
  }

  #whole(response: Fields): void {
    const status = asText(response.status) || "completed";
    this.#terminal(response, status);
  }

  #item(event: Fields, over: boolean): void {
    const item = asFields(event.item);
    if (item === null) return;
    const index = typeof event.output_index === "number" ? event.output_index : null;
    this.#take(item, index, over);
  }

  /** Everything that an item says and that was not sent yet; `over`: it says all. */
  #take(item: Fields, index: number | null, over: boolean): void {
    const call = this.#calls.open(item, index, over);
    if (call !== null) {
      this.#announce(call);
      if (over) this.#arguments(call, asText(call.custom ? item.input : item.arguments), true);
      return;
    }
    const id = asText(item.id);
    const key = this.#places.get(id) ?? String(index ?? id);
    if (id !== "") this.#places.set(id, key);
    if (!over) return;
    if (item.type === "reasoning") {
      this.#parts(item.summary, (part, i) => {
        this.#rest("reasoning_content", `${key}/s${i}`, asText(part.text));
      });
      this.#parts(item.content, (part, i) => {
        this.#rest("reasoning_content", `${key}/r${i}`, asText(part.text));
      });
    } else if (item.type === "message") {
      this.#parts(item.content, (part, i) => {
        if (part.type === "refusal") this.#rest("refusal", `${key}/c${i}`, asText(part.refusal));
        else this.#rest("content", `${key}/c${i}`, asText(part.text), part.logprobs);
        this.#parts(part.annotations, (one) => this.#annotate(one));
      });
    }
  }

  #parts(value: unknown, take: (part: Fields, i: number) => void): void {
    if (!Array.isArray(value)) return;
    value.forEach((one, i) => {
      const part = asFields(one);
      if (part !== null) take(part, i);
    });
  }

  #text(field: string, key: string, text: string, logprobs?: unknown): void {
    if (text === "") return;
    this.#begin();
    const bytes = utf8Length(text);
    this.#outputBytes += bytes;
    let shown = text;
    if (field === "reasoning_content") {
      // Parts of a summary are paragraphs.
      if (!this.#sent.has(key) && this.#reasoningBytes > 0) shown = `\n\n${text}`;
      this.#reasoningBytes += bytes;
    }
    this.#sent.set(key, (this.#sent.get(key) ?? "") + text);
    this.#sink.delta({ [field]: shown.toWellFormed() }, chatLogprobs(logprobs));
  }

  /** What a whole text has beyond what was streamed of it. */
  #rest(field: string, key: string, whole: string, logprobs?: unknown): void {
    const sent = this.#sent.get(key) ?? "";
    if (whole.length <= sent.length || !whole.startsWith(sent)) return;
    this.#text(field, key, whole.slice(sent.length), sent === "" ? logprobs : undefined);
  }

  #annotate(value: unknown): void {
    const annotation = annotationOf(value);
    const key = `annotation ${JSON.stringify(annotation)}`;
    if (annotation === null || this.#sent.has(key)) return;
    this.#sent.set(key, "");
    this.#begin();
    this.#sink.delta({ annotations: [annotation] }, null);
  }

  #announce(call: OpenCall): void {
    if (call.announced) return;
    this.#begin();
    call.announced = true;
    this.#outputBytes += utf8Length(call.name);
    if (this.#options.legacyCalls) {
      if (call.index === 0) {
        this.#sink.delta({ function_call: { name: call.name, arguments: "" } }, null);
      }
      return;
    }
    const body = call.custom
      ? { type: "custom", custom: { name: call.name, input: "" } }
      : { type: "function", function: { name: call.name, arguments: "" } };
    this.#sink.delta({ tool_calls: [{ index: call.index, id: call.id, ...body }] }, null);
  }

  #arguments(call: OpenCall | null, text: string, whole: boolean): void {
    if (call === null) return;
    let piece = text;
    if (whole) {
      if (text.length <= call.sent.length || !text.startsWith(call.sent)) return;
      piece = text.slice(call.sent.length);
    }
    if (piece === "") return;
    call.sent += piece;
    this.#outputBytes += utf8Length(piece);
    const shown = piece.toWellFormed();
    if (this.#options.legacyCalls) {
      if (call.index === 0) this.#sink.delta({ function_call: { arguments: shown } }, null);
      return;
    }
    const body = call.custom ? { custom: { input: shown } } : { function: { arguments: shown } };
    this.#sink.delta({ tool_calls: [{ index: call.index, ...body }] }, null);
  }

  #terminal(response: Fields, status: string): void {
    this.#meter.take(response.usage);
    const tier = asText(response.service_tier);
    if (tier !== "") this.#serviceTier = tier;
    if (status !== "completed" && status !== "incomplete") {
      const raw = asFields(response.error) ?? { message: `The upstream's response is ${status}` };
      return this.#fail(streamError(safeJson(raw)));
    }
    this.#begin();
    if (Array.isArray(response.output)) {
      response.output.forEach((one, i) => {
        const item = asFields(one);
        if (item !== null) this.#take(item, i, true);
      });
    }
    if (status === "incomplete") {
      const reason = asFields(response.incomplete_details)?.reason;
      this.#conclude("incomplete", reason === "content_filter" ? "content_filter" : "length");
    } else if (this.#calls.count === 0) this.#conclude("completed", "stop");
    else this.#conclude("completed", this.#options.legacyCalls ? "function_call" : "tool_calls");
  }

  #conclude(outcome: "completed" | "incomplete", reason: string): void {
    this.#done = true;
    this.#outcome = outcome;
    this.#sink.finish(reason);
  }

  #fail(error: ResponseError): void {
    this.#done = true;
    this.#sink.error(error);
  }
}

/** Names a text by its item's place: some servers change the ids from event to event. */
function textKey(event: Fields, kind: "c" | "s" | "r"): string {
  const index = kind === "s" ? event.summary_index : event.content_index;
  const item = typeof event.output_index === "number"
    ? String(event.output_index)
    : asText(event.item_id);
  return `${item}/${kind}${typeof index === "number" ? index : 0}`;
}

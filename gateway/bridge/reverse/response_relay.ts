/**
 * A Responses stream passed on: events as they are but for the model's name, and exactly one terminal event, whatever the upstream does. Sealed
 * reasoning, unknown items and events of hosted tools are not looked into.
 *
 * @module
 */
import { newId } from "@synth/core";
import { encodeSseComment, encodeSseEvent, SSE_DONE } from "@synth/core/sse";
import type { Translation } from "../../turn/translation.ts";
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import type { ResponseEcho } from "../plan.ts";
import { type ResponseError, responseObject } from "../response_object.ts";
import type { TurnEnd } from "../stream/machine.ts";
import { Malformed } from "../stream/malformed.ts";
import { endingOf } from "../stream/terminal.ts";
import { responseUsage, type TurnUsage, UsageMeter } from "../stream/usage.ts";
import { utf8Length } from "../stream/utf8_length.ts";
import { streamError } from "../upstream_error.ts";
import { OpenItems } from "./open_items.ts";
import type { OwnIds } from "./own_ids.ts";

/** How a relay is made. */
export interface ResponseRelayOptions {
  /** What the client asked for, by its own model name. */
  readonly echo: ResponseEcho;
  /** Bytes of the request, for an estimate. */
  readonly inputBytes: number;
  /** Unix seconds. */
  readonly createdAt: number;
  /** Whether events are written; else only the final object is of interest. */
  readonly stream: boolean;
  /** Gives the ids. Absent: they are the upstream's. */
  readonly ids?: OwnIds | undefined;
}

const encoder = new TextEncoder();
const TERMINAL: ReadonlySet<unknown> = new Set([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "response.cancelled",
]);
const EVENT_TYPE = /^[A-Za-z0-9_.:-]{1,128}$/;

/** Relays one response. */
export class ResponseRelay implements Translation {
  readonly #options: ResponseRelayOptions;
  readonly #meter: UsageMeter = new UsageMeter();
  readonly #items: OpenItems = new OpenItems();
  readonly #malformed: Malformed = new Malformed();
  /** The response as the upstream last told it, under the client's model name. */
  #snapshot: Fields | null = null;
  #final: Fields | null = null;
  #error: ResponseError | null = null;
  #announced = false;
  #pending = "";
  #sequence = 0;
  #outputBytes = 0;
  #reasoningBytes = 0;

  constructor(options: ResponseRelayOptions) {
    this.#options = options;
  }

  /** The final object; `null` until then. Its error in the words that clients know. */
  get response(): { readonly [key: string]: unknown; readonly error: ResponseError | null } | null {
    if (this.#final === null) return null;
    const raw = asFields(this.#final.error);
    const failed = this.#final.status === "failed" || raw !== null;
    return { ...this.#final, error: failed ? this.#error ?? streamError(raw ?? {}) : null };
  }

  get done(): boolean {
    return this.#final !== null;
  }

  get complete(): boolean {
    return this.#final?.status === "completed";
  }

  get started(): boolean {
    return this.#outputBytes > 0;
  }

  get outputBytes(): number {
    return this.#outputBytes;
  }

  /** None: the upstream counts once, at the end. */
  get uncountedBytes(): number {
    return 0;
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

  /** The upstream's own `response.created` is the first event. */
  start(): void {}

  event(data: string): void {
    if (this.done) return;
    const event = parsed(data);
    if (event === null) {
      const error = this.#malformed.add();
      if (error !== null) {
        this.finish({ reason: "error", error, now: this.#options.createdAt });
      }
      return;
    }
    const { ids } = this.#options;
    if (event.object === "response") return this.#whole(ids?.response(event) ?? event);
    ids?.event(event);
    const type = asText(event.type);
    if (type === "error" || (type === "" && asFields(event.error) !== null)) {
      // What follows may be the upstream's own response.failed; else ours.
      this.#error = streamError(asFields(event.error) === null ? event : event.error);
      return;
    }
    if (!EVENT_TYPE.test(type)) return;
    const terminal = TERMINAL.has(type);
    const response = asFields(event.response);
    if (terminal && response === null) return;
    if (response !== null) event["response"] = this.#named(response);
    // Nothing can be told about a response that the client does not know.
    if (type === "response.created") this.#announced = true;
    else this.#announce();
    this.#weigh(type, event);
    this.#items.take(type, event);
    if (terminal) this.#meter.take(response?.usage);
    if (type === "response.failed") this.#error ??= streamError(asFields(response?.error) ?? {});
    this.#write(type, event);
    if (terminal) this.#conclude(asFields(event.response) ?? {});
  }

  finish(end: TurnEnd): void {
    if (this.done) return;
    const reason = end.reason === "done" ? "eof" : end.reason;
    const ending = endingOf({ end: reason, error: end.error, finish: null, any: false });
    this.#announce();
    const output = this.#items.close((type, event) => this.#write(type, event));
    const base = { ...this.#snapshot, output, usage: responseUsage(this.usage) };
    if (ending.kind === "failed") {
      this.#error ??= ending.error;
      const response = { ...base, status: "failed", error: this.#error };
      this.#write("response.failed", { type: "response.failed", response });
      return this.#conclude(response);
    }
    const details = { reason: "max_output_tokens" };
    const response = { ...base, status: "incomplete", incomplete_details: details };
    this.#write("response.incomplete", { type: "response.incomplete", response });
    this.#conclude(response);
  }

  keepalive(): void {
    // A comment has no number: the upstream's numbers stay what they are.
    this.#pending += encodeSseComment("keepalive");
  }

  outcome(): { readonly [key: string]: string } {
    return {
      outcome: asText(this.#final?.status) || "failed",
      ...(this.#error === null ? {} : { error_code: this.#error.code }),
    };
  }

  flush(): Uint8Array<ArrayBuffer> | null {
    if (this.#pending === "") return null;
    const bytes = encoder.encode(this.#pending);
    this.#pending = "";
    return bytes;
  }

  /** A body instead of a stream: for a client that streams it becomes the shortest stream there is. */
  #whole(response: Fields): void {
    const named = this.#named(response);
    this.#meter.take(response.usage);
    this.#outputBytes += utf8Length(JSON.stringify(response.output ?? []));
    const status = asText(response.status) || "completed";
    if (status === "failed") this.#error ??= streamError(asFields(response.error) ?? {});
    this.#announce();
    const output = Array.isArray(response.output) ? response.output : [];
    output.forEach((item: unknown, output_index) => {
      for (const type of ["response.output_item.added", "response.output_item.done"]) {
        this.#write(type, { type, output_index, item });
      }
    });
    const type = TERMINAL.has(`response.${status}`) ? `response.${status}` : "response.failed";
    this.#write(type, { type, response: named });
    this.#conclude(named);
  }

  /** `response.created` and `response.in_progress` of our own, unless the upstream sent the former. */
  #announce(): void {
    const { echo, createdAt, ids } = this.#options;
    this.#snapshot ??= { ...fresh(echo, createdAt, ids?.responseId ?? newId("resp_")) };
    if (this.#announced) return;
    this.#announced = true;
    const response = inProgress(this.#snapshot);
    for (const type of ["response.created", "response.in_progress"]) {
      this.#write(type, { type, response });
    }
  }

  #named(response: Fields): Fields {
    this.#snapshot = { ...response, model: this.#options.echo.model };
    return this.#snapshot;
  }

  #conclude(response: Fields): void {
    this.#final = response;
    if (this.#options.stream) this.#pending += SSE_DONE;
  }

  #weigh(type: string, event: Fields): void {
    const text = asText(event.delta);
    if (text === "" || !type.endsWith(".delta")) return;
    const bytes = utf8Length(text);
    this.#outputBytes += bytes;
    if (type.startsWith("response.reasoning")) this.#reasoningBytes += bytes;
  }

  #write(type: string, event: Fields): void {
    // Numbers of our own, without gaps: events may have been left out or added.
    const numbered = { ...event, sequence_number: this.#sequence++ };
    if (this.#options.stream) this.#pending += encodeSseEvent(type, numbered);
  }
}

function inProgress(response: Fields): Fields {
  return { ...response, status: "in_progress", output: [], usage: null, completed_at: null };
}

function fresh(echo: ResponseEcho, createdAt: number, id: string): object {
  return responseObject({
    id,
    created_at: createdAt,
    status: "in_progress",
    completed_at: null,
    error: null,
    incomplete_details: null,
    output: [],
    usage: null,
  }, echo);
}

function parsed(data: string): Fields | null {
  try {
    return asFields(JSON.parse(data));
  } catch {
    return null;
  }
}

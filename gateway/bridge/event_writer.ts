/**
 * Events to the bytes of an SSE stream. What is written between two flushes leaves as one piece, so that an event is
 * never split by us and events that arrive together cost one write.
 *
 * @module
 */
import type { Json } from "@synth/core";
import { escapeLineSeparators } from "@synth/core/sse";
import { isTerminal, type WholeEvent } from "./events.ts";
import type { ResponseObject } from "./response_object.ts";
import type { DeltaChannel, EventSink } from "./stream/sink.ts";

const encoder = new TextEncoder();
/** The most bytes that one UTF-16 code unit becomes. */
const MAX_UTF8 = 3;
/** An own buffer for each small piece would cost more than all else that happens to it. */
const SLAB = 16 * 1024;

/** Writes one response's events as SSE text; `data: [DONE]` follows the terminal event. */
export class EventWriter implements EventSink {
  #pending = "";
  #channel: DeltaChannel | null = null;
  #head = "";
  #middle = "";
  #tail = "";
  #response: ResponseObject | null = null;
  #responseJson = "";
  #slab = new Uint8Array(0);
  #used = 0;

  /** Whether something waits for {@linkcode flush}. */
  get hasPending(): boolean {
    return this.#pending !== "";
  }

  event(event: WholeEvent): void {
    const json = "response" in event
      ? `{"type":"${event.type}","sequence_number":${event.sequence_number},"response":${
        this.#json(event.response)
      }}`
      : JSON.stringify(event);
    this.#pending += `event: ${event.type}\ndata: ${json}\n\n`;
    if (isTerminal(event)) this.#pending += "data: [DONE]\n\n";
  }

  delta(channel: DeltaChannel, sequence: number, delta: string, logprobs: readonly Json[]): void {
    if (channel !== this.#channel) this.#enter(channel);
    const tail = logprobs.length === 0
      ? this.#tail
      : `,"logprobs":${JSON.stringify(logprobs)}}\n\n`;
    this.#pending += this.#head + sequence + this.#middle + JSON.stringify(delta) + tail;
  }

  /**
   * All bytes since the last flush, or `null` when there are none. Pass them on before the next flush: small pieces
   * share a buffer, and a stream of type `bytes` takes that away with the first.
   */
  flush(): Uint8Array<ArrayBuffer> | null {
    if (this.#pending === "") return null;
    // All at once: all that is not our own ASCII stands in strings of JSON.
    const text = escapeLineSeparators(this.#pending);
    this.#pending = "";
    const most = text.length * MAX_UTF8;
    if (most > SLAB) return encoder.encode(text);
    if (this.#slab.length - this.#used < most) {
      this.#slab = new Uint8Array(SLAB);
      this.#used = 0;
    }
    const free = this.#slab.subarray(this.#used, this.#used + most);
    const { written } = encoder.encodeInto(text, free);
    this.#used += written;
    return free.subarray(0, written);
  }

  #enter(channel: DeltaChannel): void {
    const { type, partIndexName } = channel;
    const part = partIndexName === null ? "" : `,"${partIndexName}":${channel.partIndex}`;
    this.#channel = channel;
    this.#head = `event: ${type}\ndata: {"type":"${type}","sequence_number":`;
    this.#middle = `,"item_id":${JSON.stringify(channel.itemId)},"output_index":` +
      `${channel.outputIndex}${part},"delta":`;
    this.#tail = type === "response.output_text.delta" ? `,"logprobs":[]}\n\n` : "}\n\n";
  }

  /** `created` and `in_progress` carry the same snapshot; with many tools its text is most of their cost. */
  #json(response: ResponseObject): string {
    if (response !== this.#response) {
      this.#response = response;
      this.#responseJson = JSON.stringify(response);
    }
    return this.#responseJson;
  }
}

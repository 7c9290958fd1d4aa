/** The items of a response in order: one is open, the others wait for it (bridge.md 9). @module */
import type { Json } from "@synth/core";
import { CallSegment } from "./call_segment.ts";
import type { Emitter } from "./emitter.ts";
import { MessageSegment } from "./message_segment.ts";
import { ReasoningSegment } from "./reasoning_segment.ts";
import type { Segment } from "./segment.ts";
import type { Ending } from "./terminal.ts";

/** Serialises what an upstream sends interleaved. */
export class ItemQueue {
  readonly #emitter: Emitter;
  #queue: Segment[] = [];

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  text(text: string, refusal: boolean, logprobs?: readonly Json[]): void {
    const tail = this.#queue.at(-1);
    if (tail instanceof MessageSegment) return tail.push(text, refusal, logprobs);
    const message = new MessageSegment(this.#emitter);
    message.push(text, refusal, logprobs);
    this.add(message);
  }

  reasoning(text: string, details: readonly { [key: string]: Json }[]): void {
    const tail = this.#queue.at(-1);
    const segment = tail instanceof ReasoningSegment ? tail : new ReasoningSegment(this.#emitter);
    for (const detail of details) segment.detail(detail);
    if (text !== "") segment.push(text);
    if (segment !== tail) this.add(segment);
  }

  /** Appends an item behind all others. */
  add(segment: Segment): void {
    this.#queue.push(segment);
    this.advance();
  }

  /** Takes out a call that turned out to be nobody's business. */
  drop(call: CallSegment): void {
    const at = this.#queue.indexOf(call);
    if (at >= 0) this.#queue.splice(at, 1);
    this.advance();
  }

  /** Closes and opens what can be. An item is closed only when it is certain that another follows. */
  advance(): void {
    for (;;) {
      const head = this.#queue[0];
      if (head === undefined) return;
      if (!head.opened) {
        if (!head.ready) return;
        head.open();
      }
      const next = this.#queue[1];
      if (next === undefined || !next.certain || !head.settled) return;
      head.close("completed");
      this.#queue.shift();
    }
  }

  /**
   * Ends all items that are left. A call that was cut is not concluded: a client would run it.
   *
   * @param stopped whether the model called the stop tool
   */
  drain(ending: Ending, stopped: boolean): void {
    const left = this.#queue;
    this.#queue = [];
    const kept = left.filter(keeper(ending, left.at(-1)));
    const completes = stopped || this.#emitter.closedCalls > 0 ||
      kept.some((segment) => segment.kind === "call");
    const whole = ending.kind === "normal" || (ending.kind === "truncated" && completes);
    for (const segment of kept) {
      if (!segment.opened) segment.open();
      segment.close(!whole && segment === left.at(-1) ? "incomplete" : "completed");
    }
  }
}

/** Says which segments are concluded. Behind an announced call that was cut no other call is. */
function keeper(ending: Ending, last: Segment | undefined): (segment: Segment) => boolean {
  let cut = ending.kind === "cut" || ending.kind === "failed";
  return (segment) => {
    if (!(segment instanceof CallSegment)) return true;
    if (!segment.certain || cut) return false;
    const whole = ending.kind === "normal" || segment.complete ||
      (segment.plainInput && segment !== last);
    if (!whole && segment.opened) cut = true;
    return whole;
  };
}

/** The items of a response in order: one is open, the others wait for it (bridge.md 9). @module */
import type { Json } from "@synth/core";
import type { Fields } from "../chat_chunk.ts";
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
  #summary = "";

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  /** What the model said in a compaction, where words are collected and not shown. */
  get summary(): string {
    return this.#summary;
  }

  text(text: string, refusal: boolean, logprobs?: readonly Json[]): void {
    if (this.#emitter.plan.compaction === true) {
      if (!refusal) this.#summary += text;
      return;
    }
    const tail = this.#queue.at(-1);
    if (tail instanceof MessageSegment) return tail.push(text, refusal, logprobs);
    const message = new MessageSegment(this.#emitter);
    message.push(text, refusal, logprobs);
    this.add(message);
  }

  reasoning(text: string, details: readonly Fields[]): void {
    if (this.#emitter.plan.compaction === true) return;
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

  /** Takes out all such calls at once: one by one would be quadratic. */
  dropHidden(): void {
    this.#queue = this.#queue.filter((segment) => !segment.hidden);
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
   * Ends all items that are left. A call that was cut is not concluded: a client would run it. Nothing follows one that
   * was announced, since its item stays open.
   *
   * @param stopped whether the model called the stop tool
   * @returns whether the response is complete
   */
  drain(ending: Ending, stopped: boolean): boolean {
    const left = this.#queue;
    this.#queue = [];
    const last = left.at(-1);
    const kept: Segment[] = [];
    let stuck = false;
    let completes = stopped || this.#emitter.closedCalls > 0;
    for (const segment of left) {
      if (!(segment instanceof CallSegment)) {
        kept.push(segment);
      } else if (isWhole(segment, ending, segment === last)) {
        kept.push(segment);
        completes = true;
      } else if (segment.opened) {
        stuck = true;
        break;
      }
    }
    const whole = ending.kind === "normal" ||
      (ending.kind === "truncated" && completes && !stuck);
    for (const segment of kept) {
      if (!segment.opened) segment.open();
      segment.close(!whole && segment === last ? "incomplete" : "completed");
    }
    return whole;
  }
}

function isWhole(call: CallSegment, ending: Ending, last: boolean): boolean {
  if (!call.certain) return false;
  if (ending.kind === "normal") return true;
  // Of plain input nobody knows where it ends; but something followed.
  return ending.kind === "truncated" && (call.complete || (call.plainInput && !last));
}

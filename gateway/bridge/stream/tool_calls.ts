/** The calls of one turn: deltas in, segments of the queue out. @module */
import { callDelta } from "../chat_chunk.ts";
import { fieldsOf } from "./call_items.ts";
import { findTool } from "./call_names.ts";
import { CallSegment } from "./call_segment.ts";
import type { CallDelta } from "../chat_chunk.ts";
import { CallSlots } from "./call_slots.ts";
import type { Emitter } from "./emitter.ts";
import type { ItemQueue } from "./item_queue.ts";
import { utf8Length } from "./utf8_length.ts";

/** Calls of one turn that are looked at, also those without a name. One of a usable tool behind them fails the turn. */
const MAX_TRACKED = 8192;

/** Keeps all calls, also those that no client may see. */
export class ToolCalls {
  readonly #emitter: Emitter;
  readonly #queue: ItemQueue;
  readonly #calls: CallSegment[] = [];
  readonly #slots: CallSlots;
  readonly #untracked = new Set<CallSegment>();

  constructor(emitter: Emitter, queue: ItemQueue) {
    this.#emitter = emitter;
    this.#queue = queue;
    this.#slots = new CallSlots(emitter.plan, () => {
      const call = new CallSegment(emitter);
      if (this.#calls.push(call) > MAX_TRACKED) {
        call.hide();
        this.#untracked.add(call);
      } else {
        queue.add(call);
      }
      return call;
    });
  }

  /** Calls that were not declared, not allowed or one too many. */
  get suppressed(): number {
    let count = 0;
    for (const call of this.#calls) if (call.hidden && !call.isStop) count++;
    return count;
  }

  /** Whether the model called the stop tool, its arguments closed unless it sent none. */
  stopped(mayBeCut: boolean): boolean {
    return this.#calls.some((call) => call.isStop && (call.complete || !mayBeCut));
  }

  /** Whether the arguments of every call are closed. */
  get allClosed(): boolean {
    return this.#calls.every((call) => call.complete);
  }

  /** What the model gave the stop tool as its last words, or "". */
  get finalMessage(): string {
    for (const call of this.#calls) {
      const text = call.isStop ? fieldsOf(call.raw).final_message : undefined;
      if (typeof text === "string" && text !== "") return text;
    }
    return "";
  }

  /**
   * Takes the calls of one delta.
   *
   * @returns UTF-8 bytes that the model generated for them
   */
  take(entries: readonly unknown[]): number {
    let bytes = 0;
    const touched = new Set<CallSegment>();
    for (const entry of entries) {
      const delta = callDelta(entry);
      if (delta === null) continue;
      const call = this.#slots.find(delta, touched);
      touched.add(call);
      bytes += utf8Length(delta.name) + utf8Length(delta.args);
      this.#feed(call, delta);
    }
    return bytes;
  }

  /** Settles the names of all calls: none can grow any more. */
  identifyAll(): void {
    for (const call of this.#calls) call.identify();
    this.#queue.dropHidden();
  }

  /**
   * When all that was called are tools that nobody declared: shows these calls after all, so that the client tells the
   * model. An agent whose model called something, and got neither a call nor an answer, would stop in the middle of its work.
   */
  adoptUndeclared(): void {
    const { tools } = this.#emitter.plan;
    // Where the choice of tools is restricted, no other may be called.
    if (tools.size === 0 || [...tools.values()].some((tool) => !tool.allowed)) return;
    if (this.#calls.some((call) => call.isStop || !call.hidden)) return;
    for (const call of this.#calls) if (call.adopt()) this.#queue.add(call);
  }

  #pass(delta: CallDelta): void {
    const { plan } = this.#emitter;
    if (plan.parallelToolCalls && findTool(plan.tools, delta.name)?.allowed) {
      this.#emitter.overflowed = true;
    }
  }

  #feed(call: CallSegment, delta: CallDelta): void {
    // Some send a call that is complete once more with the finish reason.
    const again = delta.name !== "" && call.complete && delta.args.length === call.raw.length &&
      delta.args === call.raw;
    if (again) return;
    const wasHidden = call.hidden;
    if (this.#untracked.has(call)) return this.#pass(delta);
    if (delta.plain) call.plainInput = true;
    call.rename(delta.name);
    call.append(delta.args);
    if (call.hidden) {
      if (!wasHidden) this.#queue.drop(call);
    } else {
      this.#queue.advance();
    }
  }
}

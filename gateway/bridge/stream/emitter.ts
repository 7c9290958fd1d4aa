/** The one writer of sequence numbers, output indices and the list of finished items. @module */
import type { Json } from "@synth/core";
import type { WholeEvent } from "../events.ts";
import type { OutputItem, ReasoningItem } from "../output_item.ts";
import type { TurnPlan } from "../plan.ts";
import type { Sealed, SealedReasoning } from "../seal.ts";
import type { DeltaChannel, EventSink } from "./sink.ts";

/** Calls of one turn that go to the client; with more the turn fails, for none is dropped in silence. */
export const MAX_CALLS = 4096;

type WithoutNumber<T> = T extends unknown ? Omit<T, "sequence_number"> : never;

/** What the parts of the machine need from outside. */
export interface EmitterOptions {
  /** A new id that begins with `prefix` (`"msg_"`). */
  readonly newId: (prefix: string) => string;
  /** Encrypts what only we may read again. */
  readonly seal: (content: Sealed) => string;
  readonly sink: EventSink;
  /** Told of reasoning that the client is not shown as it was received. Absent: nobody remembers it. */
  readonly remember?: ((itemId: string, content: SealedReasoning) => void) | undefined;
}

/** Numbers what is emitted and keeps the items that were closed. */
export class Emitter {
  readonly plan: TurnPlan;
  /** Items that were closed, in order. Never changed once in here. */
  readonly output: OutputItem[] = [];
  /** Calls that were announced to the client. */
  openedCalls = 0;
  /** Calls that the client may run. */
  closedCalls = 0;
  /** Messages with text or a refusal. */
  spokenMessages = 0;
  /** Whether a call that the client may run could not be taken any more. */
  overflowed = false;
  readonly #options: EmitterOptions;
  readonly #callIds = new Set<string>();
  #sequence = 0;
  #nextIndex = 0;
  #admitted = 0;

  constructor(plan: TurnPlan, options: EmitterOptions) {
    this.plan = plan;
    this.#options = options;
  }

  /**
   * Whether one more call may go to the client; asked once for each call of a declared and allowed tool. Without
   * parallel calls there is one. One beyond {@linkcode MAX_CALLS} sets {@linkcode overflowed}.
   */
  admitCall(): boolean {
    const { parallelToolCalls } = this.plan;
    if (this.#admitted >= (parallelToolCalls ? MAX_CALLS : 1)) {
      if (parallelToolCalls) this.overflowed = true;
      return false;
    }
    this.#admitted++;
    return true;
  }

  /** Whether any item was announced. */
  get started(): boolean {
    return this.#nextIndex > 0;
  }

  newId(prefix: string): string {
    return this.#options.newId(prefix);
  }

  /** The upstream's call id when it is usable and not yet taken in this response, else one of ours. */
  callId(upstreamId: string): string {
    let id = upstreamId;
    if (!/^[\x21-\x7e]{1,256}$/.test(id)) id = this.newId("call_");
    while (this.#callIds.has(id)) id = this.newId("call_");
    this.#callIds.add(id);
    return id;
  }

  /** The sealed reasoning, or `undefined` when it is not wanted or cannot be made: no turn fails for want of a seal. */
  seal(content: SealedReasoning): string | undefined {
    return this.plan.reasoning.seal ? this.#trySeal(content) : undefined;
  }

  /** The sealed summary of a compaction, or `undefined` when it cannot be made. */
  sealSummary(text: string): string | undefined {
    return this.#trySeal({ kind: "compaction", text: text.toWellFormed() });
  }

  /** Hands on reasoning that what the client has of the item does not hold. */
  remember(item: ReasoningItem, content: SealedReasoning): void {
    if (item.encrypted_content !== undefined) return;
    if (item.content !== undefined && content.details === undefined) return;
    this.#options.remember?.(item.id, content);
  }

  #trySeal(content: Sealed): string | undefined {
    try {
      return this.#options.seal(content);
    } catch {
      return undefined;
    }
  }

  /** Emits an event, its number put right behind its type. */
  emit(event: WithoutNumber<WholeEvent>): void {
    const { type, ...rest } = event;
    this.#options.sink.event(
      { type, sequence_number: this.#sequence++, ...rest } as unknown as WholeEvent,
    );
  }

  delta(channel: DeltaChannel, delta: string, logprobs: readonly Json[]): void {
    this.#options.sink.delta(channel, this.#sequence++, delta, logprobs);
  }

  /** Announces an item and gives its output index. The object is not kept. */
  announce(item: OutputItem): number {
    const output_index = this.#nextIndex++;
    this.emit({ type: "response.output_item.added", output_index, item });
    return output_index;
  }

  /** Ends an item. The object must not change afterwards. */
  conclude(output_index: number, item: OutputItem): void {
    this.output.push(item);
    this.emit({ type: "response.output_item.done", output_index, item });
  }
}

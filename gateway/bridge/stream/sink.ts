/**
 * Where the machine puts its events. Deltas come without an event object, since they are nearly all of a stream: the
 * {@linkcode DeltaChannel} says once where they belong.
 *
 * @module
 */
import type { Json } from "@synth/core";
import type { DeltaEvent, StreamEvent, WholeEvent } from "../events.ts";

/** The member that numbers a part inside its item; `null` where an item has no parts. */
export type PartIndexName = "content_index" | "summary_index" | null;

/** The one open part or call that deltas belong to. */
export interface DeltaChannel {
  readonly type: DeltaEvent["type"];
  readonly itemId: string;
  readonly outputIndex: number;
  readonly partIndexName: PartIndexName;
  readonly partIndex: number;
}

/** Takes the events of one response in order. */
export interface EventSink {
  event(event: WholeEvent): void;
  /** `logprobs` belongs to `response.output_text.delta` alone. */
  delta(channel: DeltaChannel, sequence: number, delta: string, logprobs: readonly Json[]): void;
}

/** The event object of a delta, with its members in the order of the wire. */
export function deltaEvent(
  channel: DeltaChannel,
  sequence: number,
  delta: string,
  logprobs: readonly Json[],
): DeltaEvent {
  const event: Record<string, Json> = {
    type: channel.type,
    sequence_number: sequence,
    item_id: channel.itemId,
    output_index: channel.outputIndex,
  };
  if (channel.partIndexName !== null) event[channel.partIndexName] = channel.partIndex;
  event.delta = delta;
  if (channel.type === "response.output_text.delta") event.logprobs = [...logprobs];
  return event as unknown as DeltaEvent;
}

/** Keeps all events as objects. */
export class CollectingSink implements EventSink {
  readonly events: StreamEvent[] = [];

  event(event: WholeEvent): void {
    this.events.push(event);
  }

  delta(channel: DeltaChannel, sequence: number, delta: string, logprobs: readonly Json[]): void {
    this.events.push(deltaEvent(channel, sequence, delta, logprobs));
  }
}

/** Keeps nothing: for an answer that goes out whole. */
export class NullSink implements EventSink {
  event(_event: WholeEvent): void {}
  delta(_channel: DeltaChannel, _sequence: number, _delta: string): void {}
}

/** What a turn does to the upstream's events: the port between the reading of a stream and its meaning. @module */
import type { TurnEnd } from "../bridge/stream/machine.ts";
import type { TurnUsage } from "../bridge/stream/usage.ts";

/** Takes events, gives bytes. Synchronous; nothing here throws. */
export interface Translation {
  /** What goes out before the upstream said anything. */
  start(): void;
  /**
   * Takes the data of one event, `[DONE]` excepted.
   *
   * @param parsed what it parses to, where that is known
   */
  event(data: string, parsed?: unknown): void;
  /** Ends the answer, if it has not ended itself. */
  finish(end: TurnEnd): void;
  /** Says that the stream lives. */
  keepalive(): void;
  /** Whether the last event is out. */
  readonly done: boolean;
  /** The upstream has said all, in an API without `[DONE]`: its connection is at its end, and can be used again. */
  readonly complete?: boolean;
  /** Whether the model has begun to answer. */
  readonly started: boolean;
  /** UTF-8 bytes that the model generated. */
  readonly outputBytes: number;
  /** Of these the bytes that came after the upstream's last count, in an answer that was broken off. */
  readonly uncountedBytes: number;
  readonly usage: TurnUsage;
  /** Members for the log: how it ended. */
  outcome(): { readonly [key: string]: string | number };
  /** Whether bytes wait for {@linkcode flush}. */
  readonly hasPending: boolean;
  /** The bytes since the last flush, or `null`. */
  flush(): Uint8Array<ArrayBuffer> | null;
}

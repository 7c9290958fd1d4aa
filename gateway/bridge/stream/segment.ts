/** What the queue of one response holds: items that are open, or wait until the ones before them are closed. @module */
/** One item on its way. Only the first of the queue is open; the others buffer. */
export interface Segment {
  readonly kind: "message" | "reasoning" | "call";
  readonly opened: boolean;
  /** Never shown to the client. */
  readonly hidden: boolean;
  /** Whether it is certain that the client will see it. */
  readonly certain: boolean;
  /** Whether enough is known to announce it. */
  readonly ready: boolean;
  /** Whether nothing more can come for it once another segment follows. */
  readonly settled: boolean;
  /** Announces the item and sends what was buffered. */
  open(): void;
  /** Ends the item. */
  close(status: "completed" | "incomplete"): void;
}

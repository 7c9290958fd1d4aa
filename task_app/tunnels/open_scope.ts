/** The one deadline of a call, and what else ends it. @module */
import type { Clock } from "@synth/core";
import type { TunnelContext } from "./port.ts";
import { deadlineExceeded } from "./tunnel_errors.ts";

/** Ends when the call's time is over or its caller gives up. */
export class OpenScope implements Disposable {
  readonly signal: AbortSignal;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #end: number;
  readonly #cancel: () => void;
  /** What is done, for the message of the deadline. */
  step = "it did not begin";

  constructor({ clock, deadlineMs, signal }: TunnelContext) {
    const late = new AbortController();
    this.#clock = clock;
    this.#end = clock.monotonic() + deadlineMs;
    this.#cancel = clock.after(
      deadlineMs,
      () => late.abort(deadlineExceeded(deadlineMs, this.step)),
    );
    this.signal = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
  }

  /** Milliseconds that are left. */
  get leftMs(): number {
    return Math.max(0, this.#end - this.#clock.monotonic());
  }

  [Symbol.dispose](): void {
    this.#cancel();
  }
}

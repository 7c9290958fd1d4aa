/** How long something may take, all its steps and waits together. @module */
import type { Clock } from "@synth/core";

/** Milliseconds that are used up, whatever they are used for. */
export class TimeBudget {
  /** Aborts when they are, with the reason that was given. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly #end: number;
  readonly #stop: () => void;

  constructor(clock: Clock, ms: number, reason: () => Error) {
    const controller = new AbortController();
    this.clock = clock;
    this.signal = controller.signal;
    this.#end = clock.monotonic() + ms;
    this.#stop = clock.after(ms, () => controller.abort(reason()));
  }

  /** Milliseconds. */
  get left(): number {
    return this.signal.aborted ? 0 : Math.max(0, this.#end - this.clock.monotonic());
  }

  /** Takes its timer away. */
  [Symbol.dispose](): void {
    this.#stop();
  }
}

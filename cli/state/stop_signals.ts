/** Tells one wish to stop from two. @module */
import type { Clock } from "@synth/core";
import type { StopSignal } from "@synth/core/platform";

/** Milliseconds within which the same signal is the same wish. */
const ECHO_MS = 500;

/**
 * Counts wishes to stop. One Ctrl-C can arrive twice: from the terminal, which signals every process of the group, and from a
 * runner such as `deno task`, which passes on what it got.
 */
export class StopSignals {
  readonly #clock: Pick<Clock, "monotonic">;
  #last: { signal: StopSignal; at: number } | null = null;
  #count = 0;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.#clock = clock;
  }

  /** Takes a signal and gives the number of wishes so far. */
  receive(signal: StopSignal): number {
    const at = this.#clock.monotonic();
    const echo = this.#last?.signal === signal && at - this.#last.at < ECHO_MS;
    if (!echo) this.#count++;
    this.#last = { signal, at };
    return this.#count;
  }
}

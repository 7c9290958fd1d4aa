/** A clock whose time limits share one timer: a request sets half a dozen of them, and hardly one ever fires. @module */
import type { Clock } from "@synth/core";

/** Milliseconds between two looks at the time limits. */
const TICK_MS = 100;

interface Limit {
  readonly due: number;
  readonly fn: () => void;
}

/**
 * Wraps a clock. {@linkcode CoarseClock.after} calls back up to 100 ms late and costs next to nothing when it is cancelled, as time limits nearly always are;
 * all else is the wrapped clock's.
 */
export class CoarseClock implements Clock {
  readonly #clock: Clock;
  readonly #limits: Set<Limit> = new Set();
  #ticking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal);
  }

  after(ms: number, fn: () => void): () => void {
    const limit = { due: this.#clock.monotonic() + ms, fn };
    this.#limits.add(limit);
    if (!this.#ticking) this.#schedule();
    return () => this.#limits.delete(limit);
  }

  #schedule(): void {
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#ticking = false;
    const now = this.#clock.monotonic();
    for (const limit of this.#limits) {
      if (limit.due > now) continue;
      this.#limits.delete(limit);
      limit.fn();
    }
    if (this.#limits.size > 0 && !this.#ticking) this.#schedule();
  }
}

/** A clock whose time limits share one timer: a request sets half a dozen of them, and hardly one ever fires. @module */
import type { Clock } from "@synth/core";
import { Slots } from "./slots.ts";

/** Milliseconds between two looks at the time limits. */
const TICK_MS = 100;

interface Limit {
  readonly due: number;
  readonly fn: () => void;
  place: number;
}

/**
 * Wraps a clock. {@linkcode CoarseClock.after} calls back up to 100 ms late and costs next to nothing when it is cancelled, as time limits nearly always are;
 * all else is the wrapped clock's.
 */
export class CoarseClock implements Clock {
  readonly #clock: Clock;
  readonly #limits: Slots<Limit> = new Slots();
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
    const limit: Limit = { due: this.#clock.monotonic() + ms, fn, place: -1 };
    limit.place = this.#limits.add(limit);
    if (!this.#ticking) this.#schedule();
    return () => void this.#limits.remove(limit.place, limit);
  }

  #schedule(): void {
    this.#ticking = true;
    this.#clock.after(TICK_MS, () => this.#tick());
  }

  #tick(): void {
    this.#ticking = false;
    const now = this.#clock.monotonic();
    for (const limit of this.#limits.items()) {
      // One that is called may take another one back.
      if (limit.due <= now && this.#limits.remove(limit.place, limit)) limit.fn();
    }
    if (this.#limits.size > 0 && !this.#ticking) this.#schedule();
  }
}

/** A timer that is pushed back often and fires rarely: it re-arms itself, so that pushing back costs two numbers. @module */
import type { Clock } from "@synth/core";

/** Calls back after a silence. */
export class Watch {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #onSilence: () => void;
  #last: number;
  #stop: () => void;

  /** Starts now. `onSilence` is called after every `ms` without {@linkcode touch}, until {@linkcode stop}. */
  constructor(clock: Clock, ms: number, onSilence: () => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#onSilence = onSilence;
    this.#last = clock.monotonic();
    this.#stop = clock.after(ms, () => this.#fire());
  }

  /** Something happened. */
  touch(): void {
    this.#last = this.#clock.monotonic();
  }

  stop(): void {
    this.#stop();
  }

  #fire(): void {
    const left = this.#last + this.#ms - this.#clock.monotonic();
    if (left <= 0) this.#last = this.#clock.monotonic();
    this.#stop = this.#clock.after(left > 0 ? left : this.#ms, () => this.#fire());
    if (left <= 0) this.#onSilence();
  }
}

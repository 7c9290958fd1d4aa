/** A timer that is pushed back often and fires rarely: pushing back sets a flag, and asks no clock. @module */
import type { Clock } from "@synth/core";

/** A silence is noticed after its length and at most an eighth more. */
const PARTS = 8;

/** Calls back after a silence. */
export class Watch {
  readonly #clock: Clock;
  readonly #partMs: number;
  readonly #onSilence: () => void;
  #quietParts = 0;
  #touched = false;
  #stop: () => void;

  /** Starts now. `onSilence` is called after every `ms` without {@linkcode touch}, until {@linkcode stop}. */
  constructor(clock: Clock, ms: number, onSilence: () => void) {
    this.#clock = clock;
    this.#partMs = ms / PARTS;
    this.#onSilence = onSilence;
    this.#stop = clock.after(this.#partMs, () => this.#part());
  }

  /** Something happened. */
  touch(): void {
    this.#touched = true;
  }

  stop(): void {
    this.#stop();
  }

  #part(): void {
    this.#stop = this.#clock.after(this.#partMs, () => this.#part());
    if (this.#touched) {
      this.#touched = false;
      this.#quietParts = 0;
      return;
    }
    if (++this.#quietParts < PARTS) return;
    this.#quietParts = 0;
    this.#onSilence();
  }
}

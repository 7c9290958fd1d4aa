/** The steps of a start, each with its record in the log. @module */
import type { Clock, Logger } from "@synth/core";
import { untilAborted } from "./waits.ts";

/** Runs steps one after the other until the signal ends them. */
export class Steps {
  readonly #log: Logger;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #signal: AbortSignal;

  constructor(log: Logger, clock: Pick<Clock, "monotonic">, signal: AbortSignal) {
    this.#log = log;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** Runs one, unless the signal says otherwise; rejects as soon as it does. */
  async run<T>(step: string, work: () => T | PromiseLike<T>): Promise<T> {
    this.#signal.throwIfAborted();
    const start = this.#clock.monotonic();
    const ms = () => Math.round(this.#clock.monotonic() - start);
    try {
      const result = await untilAborted(work(), this.#signal);
      this.#log.info("task app: step done", { step, ms: ms() });
      return result;
    } catch (error) {
      this.#log.warn("task app: step failed", { step, ms: ms(), error });
      throw error;
    }
  }
}

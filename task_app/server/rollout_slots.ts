import { SynthError } from "@synth/core";

/** The rollouts that run at the same time, up to a limit. A rollout that goes on after its answer went out keeps its place. */
export class RolloutSlots {
  readonly #max: number;
  #taken = 0;
  #abandoned = 0;

  /** @param max how many places there are */
  constructor(max: number) {
    this.#max = max;
  }

  /** Rollouts that run. */
  get taken(): number {
    return this.#taken;
  }

  /**
   * Takes a place.
   *
   * @throws {SynthError} 429 `too_many_rollouts`; 503 `rollouts_stuck` when all places are held by rollouts that ignored their signal
   */
  take(): RolloutSlot {
    if (this.#taken >= this.#max) throw this.#refusal();
    this.#taken++;
    let state: "running" | "abandoned" | "free" = "running";
    return {
      abandon: () => {
        if (state !== "running") return;
        state = "abandoned";
        this.#abandoned++;
      },
      release: () => {
        if (state === "free") return;
        if (state === "abandoned") this.#abandoned--;
        state = "free";
        this.#taken--;
      },
    };
  }

  #refusal(): SynthError {
    const details = { limit: this.#max, running: this.#taken, abandoned: this.#abandoned };
    if (this.#abandoned >= this.#max) {
      return new SynthError("All rollouts that run have ignored the end of their time", {
        code: "rollouts_stuck",
        status: 503,
        hint: "The task app must heed its context.signal; restart it",
        // Nothing has run: it is safe to send the request again.
        headers: { "retry-after": "10", "x-should-retry": "true" },
        details,
      });
    }
    return new SynthError(`${this.#max} rollouts run already`, {
      code: "too_many_rollouts",
      status: 429,
      hint: "Try again later, or raise limits.maxConcurrentRollouts",
      headers: { "retry-after": "1", "x-should-retry": "true" },
      details,
    });
  }
}

/** One place of {@linkcode RolloutSlots}. */
export interface RolloutSlot {
  /** The answer is out, the rollout goes on. */
  abandon(): void;
  /** The rollout is over. */
  release(): void;
}

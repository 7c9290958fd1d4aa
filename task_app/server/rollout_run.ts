import { type Clock, SynthError } from "@synth/core";

/** What bounds a rollout. */
export interface RolloutBounds {
  readonly maxOps: number;
  readonly maxTimeS: number;
  readonly clock: Clock;
  /** The client's: aborted when it goes. */
  readonly client: AbortSignal;
}

/** One rollout's end: its deadline, its count of operations, its client. The first that ends it gives the reason. */
export class RolloutRun {
  readonly #controller = new AbortController();
  readonly #bounds: RolloutBounds;
  readonly #ended: PromiseWithResolvers<never> = Promise.withResolvers();
  #release: () => void;
  #ops = 0;

  constructor(bounds: RolloutBounds) {
    this.#bounds = bounds;
    const { client, clock, maxTimeS } = bounds;
    this.#ended.promise.catch(() => {});
    const gone = (): void => this.end(clientGone());
    const stop = clock.after(maxTimeS * 1000, () => this.end(timedOut(maxTimeS)));
    this.#release = () => {
      stop();
      client.removeEventListener("abort", gone);
    };
    client.addEventListener("abort", gone, { once: true });
    if (client.aborted) gone();
    if (maxTimeS === 0) this.end(timedOut(0));
  }

  /** For the rollout. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Operations that were counted. */
  get ops(): number {
    return this.#ops;
  }

  /** Ends the rollout for this reason, unless it has ended. */
  end(reason: SynthError): void {
    if (this.signal.aborted) return;
    this.#controller.abort(reason);
    this.#ended.reject(reason);
  }

  /** Counts operations. @throws {SynthError} 422 `rollout_max_ops_exceeded`, or why the rollout has ended */
  countOp(count = 1): number {
    this.signal.throwIfAborted();
    if (!Number.isSafeInteger(count) || count < 0) {
      throw new RangeError("countOp takes an integer of at least 0");
    }
    this.#ops += count;
    this.checkOps(this.#ops);
    return this.#ops;
  }

  /** Ends the rollout when there are too many operations. @throws {SynthError} 422 `rollout_max_ops_exceeded` */
  checkOps(ops: number): void {
    if (ops <= this.#bounds.maxOps) return;
    const error = tooManyOps(this.#bounds.maxOps);
    this.end(error);
    throw error;
  }

  /** What the work gives, or why the rollout ended before, at that very time. */
  async settle<T>(work: Promise<T>): Promise<T> {
    try {
      const value = await Promise.race([this.#ended.promise, work]);
      this.signal.throwIfAborted();
      return value;
    } catch (error) {
      // What fails because it was aborted did not fail by itself.
      throw this.signal.aborted ? this.signal.reason : error;
    }
  }

  /** Stops the timer, and listening to the client. */
  close(): void {
    this.#release();
  }
}

function timedOut(seconds: number): SynthError {
  return new SynthError(`The rollout did not end within ${seconds} s`, {
    code: "rollout_timed_out",
    status: 504,
    hint:
      "safety.max_time_s and the task app's limits.maxRolloutS bound it; the smaller one counts",
    details: { max_time_s: seconds },
  });
}

function tooManyOps(max: number): SynthError {
  return new SynthError(`The rollout takes more than ${max} operations`, {
    code: "rollout_max_ops_exceeded",
    status: 422,
    param: "safety.max_ops",
    details: { max_ops: max },
  });
}

function clientGone(): SynthError {
  return new SynthError("The client has gone", { code: "client_disconnected", status: 499 });
}

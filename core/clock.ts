/** Time as a port: everything that waits or stamps takes one, so a test never sleeps. @module */

/** A source of time and of timers. */
export interface Clock {
  /** Milliseconds since the Unix epoch; may jump when the machine's clock is set. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. For deadlines. */
  monotonic(): number;
  /** Calls `fn` once after `ms`. Returns the function that cancels it. */
  after(ms: number, fn: () => void): () => void;
  /** Resolves after `ms`; rejects with the signal's reason when aborted first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: scheduleTimeout,
  sleep: (ms, signal) => sleepWith(scheduleTimeout, ms, signal),
};

function scheduleTimeout(ms: number, fn: () => void): () => void {
  const id = setTimeout(fn, ms);
  return () => clearTimeout(id);
}

function sleepWith(after: Clock["after"], ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** A clock that stands still until it is told to move. For tests. */
export class FakeClock implements Clock {
  #now: number;
  #monotonic = 0;
  #nextId = 0;
  #timers: Map<number, { at: number; fn: () => void }> = new Map();

  /** @param start milliseconds since the epoch that `now()` begins at. */
  constructor(start = 1_750_000_000_000) {
    this.#now = start;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(ms: number, fn: () => void): () => void {
    const id = this.#nextId++;
    this.#timers.set(id, { at: this.#monotonic + Math.max(0, ms), fn });
    return () => this.#timers.delete(id);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith((delay, fn) => this.after(delay, fn), ms, signal);
  }

  /** Number of timers that wait. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Sets the wall clock without firing timers: the jump that NTP makes. */
  jump(to: number): void {
    this.#now = to;
  }

  /** Moves both clocks on by `ms`, firing due timers in order and letting their promises settle. */
  async tick(ms: number): Promise<void> {
    const end = this.#monotonic + ms;
    while (true) {
      await settle();
      let due: [number, { at: number; fn: () => void }] | undefined;
      for (const entry of this.#timers) {
        if (entry[1].at <= end && (due === undefined || entry[1].at < due[1].at)) due = entry;
      }
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.#advance(Math.max(due[1].at, this.#monotonic));
      due[1].fn();
    }
    this.#advance(end);
    await settle();
  }

  #advance(to: number): void {
    this.#now += to - this.#monotonic;
    this.#monotonic = to;
  }
}

/** Lets every promise chain that is ready run: one turn of the macrotask queue. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    const channel = new MessageChannel();
    channel.port1.onmessage = () => {
      channel.port1.close();
      resolve();
    };
    channel.port2.postMessage(null);
  });
}

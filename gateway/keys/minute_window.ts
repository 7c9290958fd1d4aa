/** Counts what happened within the last minute, in 61 numbers however much it was. @module */

const SECOND_MS = 1000;
/** A window of 60 s touches this many whole seconds. */
const SECONDS = 61;

/**
 * A rolling minute. The oldest second is counted whole, so that no 60 s, wherever they begin, ever hold more than was let through.
 * Times are milliseconds that never go back.
 */
export class MinuteWindow {
  readonly #counts: Uint32Array = new Uint32Array(SECONDS);
  #second = -1;
  #sum = 0;

  /** What is counted at this moment. */
  count(now: number): number {
    this.#advance(now);
    return this.#sum;
  }

  /** Counts one more. */
  add(now: number): void {
    this.#advance(now);
    const at = this.#second % SECONDS;
    this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum++;
  }

  /** Milliseconds until at most `count` are counted, if none is added. */
  untilAtMost(count: number, now: number): number {
    this.#advance(now);
    let left = this.#sum;
    if (left <= count) return 0;
    for (let age = SECONDS - 1; age >= 0; age--) {
      const second = this.#second - age;
      if (second < 0) continue;
      left -= this.#counts[second % SECONDS] ?? 0;
      if (left <= count) return (second + SECONDS) * SECOND_MS - now;
    }
    return SECONDS * SECOND_MS;
  }

  #advance(now: number): void {
    const second = Math.floor(now / SECOND_MS);
    if (second <= this.#second) return;
    const passed = Math.min(SECONDS, second - this.#second);
    for (let i = 1; i <= passed; i++) {
      const at = (this.#second + i + SECONDS) % SECONDS;
      this.#sum -= this.#counts[at] ?? 0;
      this.#counts[at] = 0;
    }
    this.#second = second;
  }
}

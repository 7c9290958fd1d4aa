/** A bounded cache whose entries end. @module */
import type { Clock } from "../clock.ts";

/** Keeps the entries used last, each for a fixed time from when it was set. */
export class ExpiringLru<T> {
  readonly #max: number;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  /** In the order of their last use. */
  readonly #entries: Map<string, { value: T; until: number }> = new Map();

  constructor(max: number, ttlMs: number, clock: Clock) {
    this.#max = max;
    this.#ttlMs = ttlMs;
    this.#clock = clock;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.until <= this.#clock.monotonic()) return undefined;
    this.#entries.set(key, entry);
    return entry.value;
  }

  /** @param from monotonic milliseconds at which the value was true */
  set(key: string, value: T, from: number = this.#clock.monotonic()): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: from + this.#ttlMs });
    if (this.#entries.size <= this.#max) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }
}

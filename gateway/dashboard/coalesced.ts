/** Reads that many pages share. @module */
import type { Clock } from "@synth/core";

/** The parts of a {@linkcode Coalesced}. */
export interface CoalescedOptions<T> {
  readonly clock: Clock;
  /** Milliseconds for which an answer, or a failure, is given again. */
  readonly intervalMs: number;
  /** Whether a caller may wait for what another caller's request has asked. Workers forbid it. */
  readonly shared: boolean;
  /** @param previous what the last read gave */
  readonly read: (org: string, previous: T | null) => Promise<T>;
}

interface Entry<T> {
  /** Monotonic milliseconds of the last question. */
  readonly at: number;
  readonly answer: Promise<T>;
  /** What is known, as plain data: nothing of another request's. */
  outcome: { readonly value: T } | { readonly error: unknown } | null;
  readonly previous: T | null;
}

/** Orgs that are remembered. */
const MAX_ORGS = 200;

/** Asks a store at most once in an interval for each org, however many ask for the answer. */
export class Coalesced<T> {
  readonly #options: CoalescedOptions<T>;
  readonly #entries: Map<string, Entry<T>> = new Map();

  constructor(options: CoalescedOptions<T>) {
    this.#options = options;
  }

  /** What the store says, or said at most an interval ago. Rejects as the read did. */
  async get(org: string): Promise<T> {
    const { clock, intervalMs, shared } = this.#options;
    const known = this.#entries.get(org);
    const fresh = known !== undefined && clock.monotonic() - known.at < intervalMs;
    if (known !== undefined && (fresh || (shared && known.outcome === null))) {
      if (known.outcome === null) {
        if (shared) return await known.answer;
        if (known.previous !== null) return known.previous;
      } else if ("value" in known.outcome) return known.outcome.value;
      else throw known.outcome.error;
    }
    return await this.#ask(org, known);
  }

  /** Forgets an org: the next caller gets what the store says then. */
  forget(org: string): void {
    this.#entries.delete(org);
  }

  #ask(org: string, known: Entry<T> | undefined): Promise<T> {
    const previous = known?.outcome !== null && known !== undefined && "value" in known.outcome
      ? known.outcome.value
      : known?.previous ?? null;
    const answer = this.#options.read(org, previous);
    const entry: Entry<T> = {
      at: this.#options.clock.monotonic(),
      answer,
      outcome: null,
      previous,
    };
    this.#entries.delete(org);
    this.#entries.set(org, entry);
    answer.then((value) => {
      entry.outcome = { value };
    }, (error) => {
      entry.outcome = { error };
    });
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > MAX_ORGS && oldest !== undefined) this.#entries.delete(oldest);
    return answer;
  }
}

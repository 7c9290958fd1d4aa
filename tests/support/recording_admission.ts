/** An admission that writes down what was done to which lease. @module */
import type { Admission, Admitted, Settlement } from "@synth/gateway";
import { type Lease, metered } from "../../gateway/sessions/lease.ts";

/** Grants every request the same, and keeps a book: `admit lease1`, `settle lease1 11+7 5` ... */
export class RecordingAdmission implements Admission {
  readonly book: string[] = [];
  readonly #grant: number | null;
  readonly #choices: number;
  #n = 0;

  /** @param choices how often the grant may come */
  constructor(grant: number | null = null, choices = 1) {
    this.#grant = grant;
    this.#choices = choices;
  }

  admit(): Promise<Admitted> {
    return Promise.resolve({ lease: this.#next("admit"), headers: { "x-left": "7" } });
  }

  renew(lease: Lease): Promise<Lease> {
    this.book.push(`charge ${lease.id}`);
    return Promise.resolve(this.#next("renew"));
  }

  settle(lease: Lease, { usage, outputBytes }: Settlement): Promise<void> {
    const { inputTokens, outputTokens, reported } = usage;
    this.book.push(
      `settle ${lease.id} ${
        reported ? `${inputTokens}+${outputTokens}` : "estimated"
      } ${outputBytes}`,
    );
    return Promise.resolve();
  }

  charge(lease: Lease): Promise<void> {
    this.book.push(`charge ${lease.id}`);
    return Promise.resolve();
  }

  release(lease: Lease): Promise<void> {
    this.book.push(`release ${lease.id}`);
    return Promise.resolve();
  }

  #next(how: string): Lease {
    const id = `lease${++this.#n}`;
    this.book.push(`${how} ${id}`);
    return metered(id, this.#grant, this.#choices);
  }
}

/** What can be fuzzed. @module */
import type fc from "fast-check";

/** One target. Its inputs are JSON, so that one which breaks it can be kept in a file. */
export interface Target<T = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<T>;
  /** @throws {Error} when this input breaks a rule */
  check(input: T): Promise<void>;
  /** Ends what the target has opened. */
  close(): Promise<void>;
}

/** Opens a target. */
export type OpenTarget = () => Promise<Target>;

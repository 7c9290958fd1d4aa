/** What a suite says of the gateway. @module */

/** Result of one suite. */
export interface Report {
  /** Name of the suite; a key of floors.json. */
  readonly suite: string;
  readonly passed: number;
  readonly total: number;
  /** What did not pass, one line each. */
  readonly missing: readonly string[];
}

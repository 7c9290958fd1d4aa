/** The right to call an upstream once. No lease, no call: the upstream client takes one as an argument. @module */

declare const brand: unique symbol;

/** What admission granted to one attempt. Made by admission alone. */
export interface Lease {
  readonly [brand]: "Lease";
  /** Made by the gateway before the reserve; the key that makes reserve, settle and release idempotent. */
  readonly id: string;
  /** The largest output, in tokens, that every limit can pay for; `null` without a hard limit. */
  readonly maxOutputTokens: number | null;
  /** How many times that output may come (`n`). */
  readonly choices: number;
}

/** A lease without a budget behind it. */
export function unmetered(id: string): Lease {
  return { id, maxOutputTokens: null, choices: 1 } as Lease;
}

/** A lease that the ledger granted. For admission alone. */
export function metered(id: string, maxOutputTokens: number | null, choices = 1): Lease {
  return { id, maxOutputTokens, choices } as Lease;
}

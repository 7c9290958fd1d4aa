/** How long the ledger keeps what is done. @module */

/** How long what is done is kept, in milliseconds. */
export interface Retention {
  /** Settled and released leases: longer than any client re-sends. @default {1 hour} */
  readonly leaseMs: number;
  /** Leases that expired, for the settle that comes late. @default {24 hours} */
  readonly expiredLeaseMs: number;
  /** Sessions after their end. @default {30 days} */
  readonly sessionMs: number;
  /** Usage events. @default {30 days} */
  readonly usageMs: number;
  /** Usage events of one org, at most. @default {100_000} */
  readonly usageMax: number;
}

const HOUR = 3_600_000;

/** What is kept when nobody says otherwise. */
export const DEFAULT_RETENTION: Retention = {
  leaseMs: HOUR,
  expiredLeaseMs: 24 * HOUR,
  sessionMs: 30 * 24 * HOUR,
  usageMs: 30 * 24 * HOUR,
  usageMax: 100_000,
};

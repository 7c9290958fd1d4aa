/** What every ledger does, whatever it keeps its books in. @module */
import { extremeContract } from "./contract_extremes.ts";
import { type LedgerSubject, testsOf } from "./contract_frame.ts";
import { leaseContract } from "./contract_leases.ts";
import { limitContract } from "./contract_limits.ts";
import { sessionContract } from "./contract_sessions.ts";

export { type LedgerSubject, NOON } from "./contract_frame.ts";

/** Registers the tests of one adapter. */
export function ledgerContract(name: string, open: () => Promise<LedgerSubject>): void {
  const test = testsOf(name, open);
  sessionContract(test);
  leaseContract(test);
  limitContract(test);
  extremeContract(test);
}

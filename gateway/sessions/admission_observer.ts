/** Who is told what admission does: the port of the counters. @module */
import type { TokenUsage } from "../pricing/price.ts";
import type { Amounts, Metric, ScopeKind } from "./limits.ts";

/** A verb of the ledger that costs a round trip. */
export type StoreOperation = "reserve" | "settle" | "release";

/** Is told; must not throw. */
export interface AdmissionObserver {
  leaseOpened(): void;
  /** Settled, charged or given back; or nobody will do that any more, and it expires. */
  leaseClosed(): void;
  /** @param model its key in the configuration */
  settled(model: string, tokens: TokenUsage, costNanoUsd: bigint, overrun: Amounts): void;
  /** `null`: it was no limit that refused. */
  budgetRefused(scope: ScopeKind, metric: Metric | null, reason: string): void;
  storeTook(operation: StoreOperation, ms: number, failed: boolean): void;
  leasesExpired(count: number): void;
}

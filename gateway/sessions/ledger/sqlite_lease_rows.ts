/** Leases as rows of SQLite. @module */
import type { DatabaseSync } from "node:sqlite";
import { type Amounts, type LimitState, mapAmounts, NOTHING } from "../limits.ts";
import { mismatch } from "./checks.ts";
import type { LeaseRef } from "./ledger.ts";
import {
  findScope,
  makeScope,
  numberOrNull,
  type Row,
  row,
  run,
  type ScopeRow,
  stateOf,
} from "./sqlite_book.ts";
import type { LedgerCache } from "./sqlite_cache.ts";

/** A lease's row, read. */
export interface LeaseRow {
  readonly state: "open" | "settled" | "released" | "expired";
  readonly ref: LeaseRef;
  readonly user: string;
  readonly model: string | null;
  readonly priceVersion: string | null;
  readonly opened: boolean;
  readonly inputTokens: number;
  readonly outputTokens: number | null;
  readonly held: Amounts;
  readonly expiresAt: number;
  readonly grantedAtLimit: bigint;
  readonly expiredAtLimit: bigint;
  readonly expiredClocks: readonly number[];
}

/** Reads a lease; `null` when it is not known. */
export function findLease(db: DatabaseSync, org: string, id: string): LeaseRow | null {
  const found = row(db, "SELECT * FROM leases WHERE org = ? AND id = ?", org, id);
  return found === undefined ? null : leaseOf(found);
}

/** Reads a row. */
export function leaseOf(found: Row): LeaseRow {
  return {
    state: found["state"] as LeaseRow["state"],
    ref: {
      leaseId: found["id"] as string,
      org: found["org"] as string,
      keyId: found["key_id"] as string,
      sessionId: found["session_id"] as string | null,
    },
    user: found["user"] as string,
    model: found["model"] as string | null,
    priceVersion: found["price_version"] as string | null,
    opened: found["opened"] === 1n,
    inputTokens: Number(found["input_tokens"]),
    outputTokens: numberOrNull(found["output_tokens"]),
    held: mapAmounts((metric) => found[metric] as bigint),
    expiresAt: Number(found["expires_at"]),
    grantedAtLimit: found["granted_at_limit"] as bigint,
    expiredAtLimit: (found["expired_at_limit"] ?? 0n) as bigint,
    expiredClocks: JSON.parse((found["expired_clocks"] ?? "[]") as string),
  };
}

/** Session, key, org: those of a lease that are there. */
export function scopesOf(
  db: DatabaseSync,
  ref: LeaseRef,
  raw: number,
  cache: LedgerCache | null,
): ScopeRow[] {
  const { org, keyId, sessionId } = ref;
  if (cache !== null) {
    const session = sessionId === null ? null : cache.find(db, org, "session", sessionId, raw);
    const others = [cache.make(db, org, "key", keyId, raw), cache.make(db, org, "org", org, raw)];
    return session === null ? others : [session, ...others];
  }
  const session = sessionId === null ? null : findScope(db, org, "session", sessionId, raw);
  const others = [makeScope(db, org, "key", keyId, raw), makeScope(db, org, "org", org, raw)];
  return session === null ? others : [session, ...others];
}

/** All limits, as the port shows them. */
export function limitsOf(scopes: readonly ScopeRow[]): LimitState[] {
  return scopes.flatMap((scope) => scope.limits.map(stateOf));
}

/** The number of the newest limit of these scopes: later ones have a higher one. */
export function newestLimit(scopes: readonly ScopeRow[]): bigint {
  let newest = 0n;
  for (const scope of scopes) {
    for (const { no } of scope.limits) if (no > newest) newest = no;
  }
  return newest;
}

/** Writes a lease unless it is there. Returns whether it was not. */
export function insertLease(db: DatabaseSync, lease: LeaseRow, doneAt: number | null): boolean {
  const { held } = lease;
  return run(
    db,
    `INSERT INTO leases (org, id, state, session_id, key_id, user, model, price_version, opened, input_tokens,
       output_tokens, tokens, cost, gpu_time, api_calls, expires_at, granted_at_limit, done_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, id) DO NOTHING`,
    lease.ref.org,
    lease.ref.leaseId,
    lease.state,
    lease.ref.sessionId,
    lease.ref.keyId,
    lease.user,
    lease.model,
    lease.priceVersion,
    lease.opened ? 1 : 0,
    lease.inputTokens,
    lease.outputTokens,
    held.tokens,
    held.cost,
    held.gpu_time,
    held.api_calls,
    lease.expiresAt,
    lease.grantedAtLimit,
    doneAt,
  ) > 0;
}

/** A lease that was never granted. */
export function blank(ref: LeaseRef, state: LeaseRow["state"]): LeaseRow {
  return {
    state,
    ref,
    user: "",
    model: null,
    priceVersion: null,
    opened: false,
    inputTokens: 0,
    outputTokens: null,
    held: NOTHING,
    expiresAt: 0,
    grantedAtLimit: 0n,
    expiredAtLimit: 0n,
    expiredClocks: [],
  };
}

/** @throws {SynthError} `lease_mismatch` (409) */
export function checkSame(lease: LeaseRow | null, ref: LeaseRef): void {
  if (lease === null) return;
  if (lease.ref.keyId !== ref.keyId || lease.ref.sessionId !== ref.sessionId) throw mismatch(ref);
}

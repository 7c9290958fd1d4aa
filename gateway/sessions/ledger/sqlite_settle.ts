/** Settling, releasing and expiring leases in SQLite, each inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import { type Amounts, mapAmounts, NOTHING } from "../limits.ts";
import { leaseNotFound, mismatch } from "./checks.ts";
import type { LeaseRef, Settled, SettleInput, UsageEvent } from "./ledger.ts";
import {
  advance,
  book,
  bookLoosely,
  hold,
  rows,
  run,
  type ScopeRow,
  takeBackLoosely,
} from "./sqlite_book.ts";
import {
  deleteEvent,
  findEvent,
  overrunOf,
  readEventAmounts,
  writeEvent,
} from "./sqlite_journal.ts";
import {
  blank,
  checkSame,
  findLease,
  insertLease,
  leaseOf,
  type LeaseRow,
  limitsOf,
  newestLimit,
  scopesOf,
} from "./sqlite_lease_rows.ts";
import type { LedgerCache } from "./sqlite_cache.ts";
import { remember } from "./sqlite_memory.ts";

/** Settles a lease (see {@linkcode SessionLedger.settle}). */
export function settle(
  db: DatabaseSync,
  input: SettleInput,
  raw: number,
  cache: LedgerCache,
): Settled {
  const { lease: ref, detail } = input;
  const cached = cache.takeLease(ref);
  // It may be cached under the grant's own object, as open.
  if (cached === null) cache.forgetLeases();
  const known = cached ?? findLease(db, ref.org, ref.leaseId);
  checkSame(known, ref);
  const scopes = scopesOf(db, ref, raw, cache);
  if (known?.state === "settled") {
    const booked = readEventAmounts(db, ref.org, ref.leaseId, ref.sessionId);
    return { state: "settled", already: true, late: false, ...booked, limits: limitsOf(scopes) };
  }
  // The row of a lease is dropped before its line in the journal.
  const past = known === null ? findEvent(db, ref.org, ref.leaseId, ref.sessionId) : null;
  if (past !== null && past.keyId !== ref.keyId) throw mismatch(ref);
  if (past?.expired === false) {
    const { amounts: actual, overrun } = past;
    const limits = limitsOf(scopes);
    return { state: "settled", already: true, late: false, actual, overrun, limits };
  }
  if (known === null && past === null && input.ifUnknown === "refuse") throw leaseNotFound();
  const lease = known ?? withOwner(blank(ref, "settled"), past);
  const held = past?.amounts ?? lease.held;
  const actual = input.actual === "held" ? held : input.actual;
  if (known?.state === "open") close(db, known, scopes, actual);
  else if (known?.state === "expired") correct(db, known, scopes, actual);
  else if (past !== null) correctLoosely(db, scopes, actual, past.amounts);
  else chargeLoosely(db, scopes, actual);

  if (known === null) insertLease(db, lease, raw);
  else finish(db, known, "settled", raw);
  const own = scopes.find((scope) => scope.kind === "session");
  if (own !== undefined) remember(db, own, input.remember);
  const granted = known?.state === "released" ? NOTHING : held;
  const overrun = overrunOf(actual, granted);
  writeEvent(db, {
    id: ref.leaseId,
    kind: "lease",
    org: ref.org,
    sessionId: ref.sessionId,
    user: lease.user,
    keyId: ref.keyId,
    model: lease.model,
    priceVersion: lease.priceVersion,
    at: raw,
    amounts: actual,
    overrun,
    expired: false,
    detail,
    referenceType: null,
    metadata: {},
  });
  return {
    state: "settled",
    already: false,
    late: known?.state !== "open",
    actual,
    overrun,
    limits: limitsOf(scopes),
  };
}

/** Gives a lease back (see {@linkcode SessionLedger.release}). */
export function release(db: DatabaseSync, ref: LeaseRef, raw: number): "released" | "settled" {
  const lease = findLease(db, ref.org, ref.leaseId);
  checkSame(lease, ref);
  if (lease === null) {
    if (findEvent(db, ref.org, ref.leaseId, ref.sessionId) !== null) return "settled";
    insertLease(db, blank(ref, "released"), raw);
    return "released";
  }
  if (lease.state === "settled" || lease.state === "released") return lease.state;
  const scopes = scopesOf(db, ref, raw, null);
  if (lease.state === "open") {
    for (const scope of scopes) {
      advance(db, scope, NOTHING);
      for (const limit of scope.limits) {
        if (limit.no <= lease.grantedAtLimit) hold(db, scope, limit, -lease.held[limit.metric]);
      }
    }
  } else {
    correct(db, lease, scopes, NOTHING);
    deleteEvent(db, ref.org, ref.leaseId, ref.sessionId);
  }
  finish(db, lease, "released", raw);
  return "released";
}

/** Charges one lease that is past its time at what it held. */
function expire(db: DatabaseSync, lease: LeaseRow, raw: number): void {
  const scopes = scopesOf(db, lease.ref, raw, null);
  close(db, lease, scopes, lease.held);
  run(
    db,
    `UPDATE leases SET state = 'expired', done_at = ?, expired_at_limit = ?, expired_clocks = ?
     WHERE org = ? AND id = ?`,
    raw,
    newestLimit(scopes),
    JSON.stringify(scopes.map((scope) => scope.now)),
    lease.ref.org,
    lease.ref.leaseId,
  );
  writeEvent(db, {
    id: lease.ref.leaseId,
    kind: "lease",
    org: lease.ref.org,
    sessionId: lease.ref.sessionId,
    user: lease.user,
    keyId: lease.ref.keyId,
    model: lease.model,
    priceVersion: lease.priceVersion,
    at: raw,
    amounts: lease.held,
    overrun: NOTHING,
    expired: true,
    detail: null,
    referenceType: null,
    metadata: {},
  });
}

/** Expires what is due, oldest first. Returns how many. */
export function expireDue(db: DatabaseSync, org: string, max: number, raw: number): number {
  const due = rows(
    db,
    "SELECT * FROM leases WHERE org = ? AND state = 'open' AND expires_at <= ? ORDER BY expires_at, id LIMIT ?",
    org,
    raw,
    max,
  );
  for (const one of due) expire(db, leaseOf(one), raw);
  return due.length;
}

function finish(
  db: DatabaseSync,
  lease: LeaseRow,
  state: "settled" | "released",
  raw: number,
): void {
  run(
    db,
    "UPDATE leases SET state = ?, done_at = ? WHERE org = ? AND id = ?",
    state,
    raw,
    lease.ref.org,
    lease.ref.leaseId,
  );
}

/** Ends an open lease: what it held pays, the rest is overrun. Limits that came later take it as they can. */
function close(db: DatabaseSync, lease: LeaseRow, scopes: ScopeRow[], actual: Amounts): void {
  for (const scope of scopes) {
    advance(db, scope, actual);
    for (const limit of scope.limits) {
      const amount = actual[limit.metric];
      const held = lease.held[limit.metric];
      if (limit.no > lease.grantedAtLimit) {
        bookLoosely(db, scope, limit, amount);
        continue;
      }
      hold(db, scope, limit, -held);
      const charged = amount < held ? amount : held;
      book(db, scope, limit, { charged, overrun: amount - charged, at: scope.now });
    }
  }
}

/** Replaces what expiry charged by what was used. */
function correct(db: DatabaseSync, lease: LeaseRow, scopes: ScopeRow[], actual: Amounts): void {
  for (const [index, scope] of scopes.entries()) {
    const at = lease.expiredClocks[index] ?? scope.now;
    advance(db, scope, mapAmounts((metric) => actual[metric] - lease.held[metric]));
    for (const limit of scope.limits) {
      const more = actual[limit.metric] - lease.held[limit.metric];
      const listed = limit.no <= lease.grantedAtLimit;
      if (listed && more > 0n) {
        book(db, scope, limit, { charged: 0n, overrun: more, at: scope.now });
      } else if (listed) {
        book(db, scope, limit, { charged: more, overrun: 0n, at });
      } else if (more > 0n) {
        bookLoosely(db, scope, limit, more);
      } else if (limit.windowMs === null || limit.no <= lease.expiredAtLimit) {
        takeBackLoosely(db, scope, limit, -more, at);
      }
    }
  }
}

/** Counts usage that no lease was held for. */
export function chargeLoosely(db: DatabaseSync, scopes: ScopeRow[], actual: Amounts): void {
  for (const scope of scopes) {
    advance(db, scope, actual);
    for (const limit of scope.limits) bookLoosely(db, scope, limit, actual[limit.metric]);
  }
}

/** Replaces what the journal says was charged, long after: windows have moved on, and what they counted too much stays. */
function correctLoosely(
  db: DatabaseSync,
  scopes: ScopeRow[],
  actual: Amounts,
  charged: Amounts,
): void {
  const more = mapAmounts((metric) => actual[metric] - charged[metric]);
  for (const scope of scopes) {
    advance(db, scope, more);
    for (const limit of scope.limits) {
      const amount = more[limit.metric];
      if (amount > 0n) bookLoosely(db, scope, limit, amount);
      else if (limit.windowMs === null) takeBackLoosely(db, scope, limit, -amount, scope.now);
    }
  }
}

function withOwner(lease: LeaseRow, past: UsageEvent | null): LeaseRow {
  if (past === null) return lease;
  const { user, model, priceVersion } = past;
  return { ...lease, user, model, priceVersion };
}

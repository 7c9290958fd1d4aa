/** Leases in SQLite: granting, settling, releasing and expiring them, each inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import { SynthError } from "@synth/core";
import { type Amounts, type LimitState, mapAmounts, METRICS, NOTHING } from "../limits.ts";
import { decide, type Unaffordable } from "./decide.ts";
import type {
  Grant,
  LeaseRef,
  PrefixCandidate,
  Refusal,
  ReserveInput,
  Settled,
  SettleInput,
} from "./ledger.ts";
import { REMEMBERED_PREFIXES } from "./ledger.ts";
import {
  advance,
  book,
  bookLoosely,
  findScope,
  freesAt,
  hold,
  inForce,
  type LimitRow,
  makeScope,
  numberOrNull,
  type Row,
  row,
  rows,
  run,
  type ScopeRow,
  stateOf,
  takeBackLoosely,
} from "./sqlite_book.ts";
import { deleteEvent, overrunOf, readEventAmounts, writeEvent } from "./sqlite_journal.ts";
import {
  createSession,
  findActive,
  findSession,
  overReason,
  scopeOfSession,
  type SessionRow,
  touchSession,
} from "./sqlite_sessions.ts";

/** A lease's row, read. */
interface LeaseRow {
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

function findLease(db: DatabaseSync, org: string, id: string): LeaseRow | null {
  const found = row(db, "SELECT * FROM leases WHERE org = ? AND id = ?", org, id);
  return found === undefined ? null : leaseOf(found);
}

function leaseOf(found: Row): LeaseRow {
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
function scopesOf(db: DatabaseSync, ref: LeaseRef, raw: number): ScopeRow[] {
  const session = ref.sessionId === null
    ? null
    : findScope(db, ref.org, "session", ref.sessionId, raw);
  const others = [
    makeScope(db, ref.org, "key", ref.keyId, raw),
    makeScope(db, ref.org, "org", ref.org, raw),
  ];
  return session === null ? others : [session, ...others];
}

function limitsOf(scopes: readonly ScopeRow[]): LimitState[] {
  return scopes.flatMap((scope) => scope.limits.map(stateOf));
}

/** Grants a lease or says why not (see {@linkcode SessionLedger.reserve}). */
export function reserve(db: DatabaseSync, input: ReserveInput, raw: number): Grant | Refusal {
  const { org, user, keyId } = input;
  const known = findLease(db, org, input.leaseId);
  if (known?.state === "released") {
    return { granted: false, sessionId: known.ref.sessionId, reason: "released" };
  }
  if (known !== null) return grantOf(known, limitsOf(scopesOf(db, known.ref, raw)));

  const attached = attach(db, input, raw);
  if ("reason" in attached) return { granted: false, ...attached };
  const fresh = attached.fresh;
  let session = attached.session;
  const others = [
    makeScope(db, org, "key", keyId, raw),
    makeScope(db, org, "org", org, raw),
  ];
  const own = session === null ? null : scopeOfSession(db, org, session, raw);
  const deciding = [
    ...(fresh === null ? [] : fresh.limits.map(untouched)),
    ...[...(own === null ? [] : [own]), ...others].flatMap((scope) =>
      scope.limits.filter((limit) => inForce(limit, scope.now))
    ),
  ].filter((limit) => inForce(limit, raw));

  const inputTokens = own === null ? input.inputBound : inputBound(db, own, input);
  const decision = decide(deciding, input, inputTokens);
  if (!decision.ok) {
    if (session !== null && own !== null && session.idleMs !== null) {
      touchSession(db, org, session.id, own);
    }
    return refusalOf(db, decision, session, own === null ? others : [own, ...others]);
  }

  if (fresh !== null) {
    session = createSession(db, { org, user, keyId, makeActive: true, spec: fresh }, raw);
  }
  const scopes = session === null
    ? others
    : [own ?? scopeOfSession(db, org, session, raw), ...others];
  for (const scope of scopes) {
    advance(db, scope, NOTHING);
    for (const limit of scope.limits) hold(db, limit, decision.held[limit.metric]);
  }
  if (session !== null && scopes[0] !== undefined) touchSession(db, org, session.id, scopes[0]);
  const lease: LeaseRow = {
    state: "open",
    ref: { leaseId: input.leaseId, org, keyId, sessionId: session?.id ?? null },
    user,
    model: input.model,
    priceVersion: input.priceVersion,
    opened: fresh !== null,
    inputTokens,
    outputTokens: decision.clamped ? decision.output : null,
    held: decision.held,
    expiresAt: raw + input.ttlMs,
    grantedAtLimit: newestLimit(scopes),
    expiredAtLimit: 0n,
    expiredClocks: [],
  };
  insertLease(db, lease, null);
  return grantOf(lease, limitsOf(scopes));
}

function refusalOf(
  db: DatabaseSync,
  { limit, reason, asked }: Unaffordable<LimitState>,
  session: SessionRow | null,
  scopes: readonly ScopeRow[],
): Refusal {
  const windowed = reason === "exceeded" || reason === "reserved";
  for (const scope of scopes) {
    const known = scope.limits.find((one) => one === limit);
    if (known === undefined) continue;
    return {
      granted: false,
      sessionId: session?.id ?? null,
      reason,
      limit: stateOf(known),
      asked,
      freesAt: windowed ? freesAt(db, scope, known, asked) : null,
    };
  }
  return { granted: false, sessionId: session?.id ?? null, reason, limit, asked, freesAt: null };
}

type Attached =
  | { session: SessionRow | null; fresh: null }
  | { session: null; fresh: Extract<ReserveInput["session"], { kind: "auto" }>["open"] }
  | { sessionId: string; reason: "session_unknown" | "session_ended" | "session_expired" };

function attach(db: DatabaseSync, input: ReserveInput, raw: number): Attached {
  if (input.session.kind === "none") return { session: null, fresh: null };
  let session: SessionRow | null;
  let id: string;
  if (input.session.kind === "id") {
    id = input.session.id;
    session = findSession(db, input.org, id);
  } else {
    const active = findActive(db, input.org, input.user);
    if (active !== null && reasonOver(db, input.org, active, raw) === null) {
      return { session: active, fresh: null };
    }
    id = input.session.open.id;
    session = findSession(db, input.org, id);
    if (session === null) return { session: null, fresh: input.session.open };
  }
  if (session === null) return { sessionId: id, reason: "session_unknown" };
  const reason = reasonOver(db, input.org, session, raw);
  return reason === null ? { session, fresh: null } : { sessionId: id, reason };
}

function reasonOver(db: DatabaseSync, org: string, session: SessionRow, raw: number) {
  return overReason(session, scopeOfSession(db, org, session, raw).now);
}

/** A limit that nothing was counted for: of a session that is not opened yet. */
function untouched(spec: Omit<LimitState, "scope" | "held" | "charged" | "overrun">): LimitState {
  return { ...spec, scope: "session", held: 0n, charged: 0n, overrun: 0n };
}

function inputBound(
  db: DatabaseSync,
  scope: ScopeRow,
  input: { inputBound: number; prefixes: readonly PrefixCandidate[] },
): number {
  for (const { hash, rest } of input.prefixes) {
    const known = row(
      db,
      "SELECT tokens FROM prefixes WHERE scope = ? AND hash = ?",
      scope.no,
      hash,
    );
    if (known !== undefined) return Math.min(input.inputBound, Number(known["tokens"]) + rest);
  }
  return input.inputBound;
}

function newestLimit(scopes: readonly ScopeRow[]): bigint {
  let newest = 0n;
  for (const scope of scopes) {
    for (const { no } of scope.limits) if (no > newest) newest = no;
  }
  return newest;
}

function grantOf(lease: LeaseRow, limits: LimitState[]): Grant {
  const { ref, opened, outputTokens, inputTokens, held, expiresAt } = lease;
  return {
    granted: true,
    lease: ref,
    opened,
    outputTokens,
    inputTokens,
    held,
    expiresAt,
    limits,
  };
}

function insertLease(db: DatabaseSync, lease: LeaseRow, doneAt: number | null): void {
  run(
    db,
    `INSERT INTO leases (org, id, state, session_id, key_id, user, model, price_version, opened, input_tokens,
       output_tokens, tokens, cost, gpu_time, api_calls, expires_at, granted_at_limit, done_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
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
    ...METRICS.map((metric) => lease.held[metric]),
    lease.expiresAt,
    lease.grantedAtLimit,
    doneAt,
  );
}

function blank(ref: LeaseRef, state: LeaseRow["state"]): LeaseRow {
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

function checkSame(lease: LeaseRow | null, ref: LeaseRef): void {
  if (lease === null) return;
  if (lease.ref.keyId !== ref.keyId || lease.ref.sessionId !== ref.sessionId) throw mismatch(ref);
}

/** The error for a lease that is named together with scopes that it was not granted for. */
export function mismatch(ref: LeaseRef): SynthError {
  return new SynthError(`Lease "${ref.leaseId}" was granted for another session or key`, {
    code: "lease_mismatch",
    status: 409,
  });
}

/** Settles a lease (see {@linkcode SessionLedger.settle}). */
export function settle(db: DatabaseSync, input: SettleInput, raw: number): Settled {
  const { lease: ref, detail } = input;
  const known = findLease(db, ref.org, ref.leaseId);
  checkSame(known, ref);
  const scopes = scopesOf(db, ref, raw);
  if (known?.state === "settled") {
    const booked = readEventAmounts(db, ref.org, ref.leaseId, ref.sessionId);
    return { state: "settled", already: true, late: false, ...booked, limits: limitsOf(scopes) };
  }
  const lease = known ?? blank(ref, "settled");
  const actual = input.actual === "held" ? lease.held : input.actual;
  if (known?.state === "open") close(db, known, scopes, actual);
  else if (known?.state === "expired") correct(db, known, scopes, actual);
  else chargeLoosely(db, scopes, actual);

  if (known === null) insertLease(db, lease, raw);
  else finish(db, known, "settled", raw);
  const own = scopes.find((scope) => scope.kind === "session");
  if (own !== undefined) remember(db, own, input.remember);
  const granted = known === null || known.state === "released" ? NOTHING : known.held;
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
    insertLease(db, blank(ref, "released"), raw);
    return "released";
  }
  if (lease.state === "settled" || lease.state === "released") return lease.state;
  const scopes = scopesOf(db, ref, raw);
  if (lease.state === "open") {
    for (const scope of scopes) {
      advance(db, scope, NOTHING);
      for (const limit of scope.limits) {
        if (limit.no <= lease.grantedAtLimit) hold(db, limit, -lease.held[limit.metric]);
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
  const scopes = scopesOf(db, lease.ref, raw);
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
      hold(db, limit, -held);
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

function remember(db: DatabaseSync, scope: ScopeRow, prefixes: SettleInput["remember"]): void {
  for (const { hash, tokens } of prefixes) {
    run(
      db,
      "INSERT INTO prefixes (scope, hash, tokens) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET tokens = excluded.tokens",
      scope.no,
      hash,
      tokens,
    );
  }
  if (prefixes.length === 0) return;
  run(
    db,
    `DELETE FROM prefixes WHERE scope = ? AND no NOT IN
       (SELECT no FROM prefixes WHERE scope = ? ORDER BY no DESC LIMIT ?)`,
    scope.no,
    scope.no,
    REMEMBERED_PREFIXES,
  );
}

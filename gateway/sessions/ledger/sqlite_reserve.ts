/** Granting leases in SQLite, inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import type { LimitState } from "../limits.ts";
import { checkSameAsk } from "./checks.ts";
import { decide, type Unaffordable } from "./decide.ts";
import type { Grant, PrefixCandidate, Refusal, ReserveInput } from "./ledger.ts";
import { freesAt, hold, inForce, row, type ScopeRow, stateOf, tick } from "./sqlite_book.ts";
import {
  findLease,
  insertLease,
  type LeaseRow,
  limitsOf,
  newestLimit,
  scopesOf,
} from "./sqlite_lease_rows.ts";
import type { LedgerCache } from "./sqlite_cache.ts";
import { readMemory, rememberedBy } from "./sqlite_memory.ts";
import { createSession, overReason, type SessionRow, touchSession } from "./sqlite_sessions.ts";

/** Grants a lease or says why not (see {@linkcode SessionLedger.reserve}). */
export function reserve(
  db: DatabaseSync,
  input: ReserveInput,
  raw: number,
  cache: LedgerCache,
): Grant | Refusal {
  const { org, user, keyId } = input;
  const attached = attach(db, input, raw, cache);
  if ("reason" in attached) {
    return knownOutcome(db, input, raw, cache) ?? { granted: false, ...attached };
  }
  const { own, fresh } = attached;
  const others = [
    cache.make(db, org, "key", keyId, raw),
    cache.make(db, org, "org", org, raw),
  ];
  const deciding: LimitState[] = fresh === null ? [] : fresh.limits.map(untouched);
  for (const scope of own === null ? others : [own, ...others]) {
    for (const limit of scope.limits) if (inForce(limit, scope.now)) deciding.push(limit);
  }

  const inputTokens = own === null ? input.inputBound : inputBound(db, own, input);
  const decision = decide(deciding.filter((limit) => inForce(limit, raw)), input, inputTokens);
  if (!decision.ok) {
    const known = knownOutcome(db, input, raw, cache);
    if (known !== null) return known;
    const { session } = attached;
    if (session !== null && session.idleMs !== null) cache.touch(db, org, session, attached.own);
    return refusalOf(db, decision, session, own === null ? others : [own, ...others]);
  }

  let scopes = own === null ? others : [own, ...others];
  let session = attached.session?.id ?? null;
  if (fresh !== null) {
    const known = knownOutcome(db, input, raw, cache);
    if (known !== null) return known;
    cache.leaveSessions(db);
    session = createSession(db, { org, user, keyId, makeActive: true, spec: fresh }, raw).id;
    scopes = [cache.make(db, org, "session", session, raw), ...others];
  }
  const lease: LeaseRow = {
    state: "open",
    ref: { leaseId: input.leaseId, org, keyId, sessionId: session },
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
  if (!insertLease(db, lease, null)) {
    const known = knownOutcome(db, input, raw, cache);
    if (known === null) throw new Error("A lease that cannot be inserted is there");
    return known;
  }
  cache.keepLease(lease);
  for (const scope of scopes) {
    tick(db, scope);
    for (const limit of scope.limits) hold(db, scope, limit, decision.held[limit.metric]);
  }
  if (attached.session !== null) cache.touch(db, org, attached.session, attached.own);
  else if (session !== null && scopes[0] !== undefined) touchSession(db, org, session, scopes[0]);
  return grantOf(lease, limitsOf(scopes));
}

/** What was answered when this lease was asked for before; `null`: it is asked for the first time. */
function knownOutcome(
  db: DatabaseSync,
  input: ReserveInput,
  raw: number,
  cache: LedgerCache,
): Grant | Refusal | null {
  const known = findLease(db, input.org, input.leaseId);
  if (known === null) return null;
  // Given back, or settled by somebody who found it unknown: it was never granted and never will be.
  if (known.state === "released" || known.expiresAt === 0) {
    return { granted: false, sessionId: known.ref.sessionId, reason: "released" };
  }
  checkSameAsk(known.ref, input);
  return grantOf(known, limitsOf(scopesOf(db, known.ref, raw, cache)));
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

/** The session to charge, with its scope; or the one to open; or why there is none. */
type Attached =
  | { session: SessionRow; own: ScopeRow; fresh: null }
  | { session: null; own: null; fresh: null }
  | {
    session: null;
    own: null;
    fresh: Extract<ReserveInput["session"], { kind: "auto" }>["open"];
  }
  | { sessionId: string; reason: "session_unknown" | "session_ended" | "session_expired" };

function attach(
  db: DatabaseSync,
  input: ReserveInput,
  raw: number,
  cache: LedgerCache,
): Attached {
  const { org } = input;
  if (input.session.kind === "none") return { session: null, own: null, fresh: null };
  let session: SessionRow | null;
  let id: string;
  if (input.session.kind === "id") {
    id = input.session.id;
    session = cache.session(db, org, id);
  } else {
    const active = cache.active(db, org, input.user);
    if (active !== null) {
      const own = cache.make(db, org, "session", active.id, raw);
      if (overReason(active, own.now) === null) return { session: active, own, fresh: null };
    }
    id = input.session.open.id;
    session = cache.session(db, org, id);
    if (session === null) return { session: null, own: null, fresh: input.session.open };
  }
  if (session === null) return { sessionId: id, reason: "session_unknown" };
  const own = cache.make(db, org, "session", session.id, raw);
  const reason = overReason(session, own.now);
  return reason === null ? { session, own, fresh: null } : { sessionId: id, reason };
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
  if (input.prefixes.length === 0) return input.inputBound;
  const remembered = memoryOf(db, scope, input.prefixes.length);
  for (const { hash, rest } of input.prefixes) {
    const tokens = remembered(hash);
    if (tokens !== undefined) return Math.min(input.inputBound, tokens + rest);
  }
  return input.inputBound;
}

/** Beginnings that are asked for one by one; for more of them the whole memory is read, which costs as much as five. */
const FEW_PREFIXES = 4;

function memoryOf(
  db: DatabaseSync,
  scope: ScopeRow,
  candidates: number,
): (hash: string) => number | undefined {
  if (scope.gathered !== null) {
    const memory = rememberedBy(db, scope);
    return (hash) => memory.get(hash);
  }
  if (candidates <= FEW_PREFIXES) {
    return (hash) => {
      const sql = "SELECT tokens FROM prefixes WHERE scope = ? AND hash = ?";
      const tokens = row(db, sql, scope.no, hash)?.["tokens"];
      return tokens === undefined ? undefined : Number(tokens);
    };
  }
  const memory = readMemory(db, scope);
  return (hash) => memory.get(hash);
}

function grantOf(lease: LeaseRow, limits: LimitState[]): Grant {
  const { ref, opened, outputTokens, inputTokens, held, expiresAt } = lease;
  return {
    granted: true,
    lease: ref,
    opened,
    ...(lease.state === "open" ? {} : { ended: true }),
    outputTokens,
    inputTokens,
    held,
    expiresAt,
    limits,
  };
}

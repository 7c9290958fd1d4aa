/** Granting leases in SQLite, inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import type { LimitState } from "../limits.ts";
import { checkSameAsk } from "./checks.ts";
import { decide, type Unaffordable } from "./decide.ts";
import type { Grant, PrefixCandidate, Refusal, ReserveInput } from "./ledger.ts";
import { freesAt, hold, inForce, row, rows, type ScopeRow, stateOf, tick } from "./sqlite_book.ts";
import {
  findLease,
  insertLease,
  type LeaseRow,
  limitsOf,
  newestLimit,
  scopesOf,
} from "./sqlite_lease_rows.ts";
import type { ScopeCache } from "./sqlite_scope_cache.ts";
import {
  createSession,
  findActive,
  findSession,
  overReason,
  type SessionRow,
  touchSession,
} from "./sqlite_sessions.ts";

/** Grants a lease or says why not (see {@linkcode SessionLedger.reserve}). */
export function reserve(
  db: DatabaseSync,
  input: ReserveInput,
  raw: number,
  cache: ScopeCache,
): Grant | Refusal {
  const { org, user, keyId } = input;
  const known = findLease(db, org, input.leaseId);
  // Given back, or settled by somebody who found it unknown: it was never granted and never will be.
  if (known !== null && (known.state === "released" || known.expiresAt === 0)) {
    return { granted: false, sessionId: known.ref.sessionId, reason: "released" };
  }
  if (known !== null) {
    checkSameAsk(known.ref, input);
    return grantOf(known, limitsOf(scopesOf(db, known.ref, raw)));
  }

  const attached = attach(db, input, raw, cache);
  if ("reason" in attached) return { granted: false, ...attached };
  const fresh = attached.fresh;
  let session = attached.session;
  const others = [
    cache.make(db, org, "key", keyId, raw),
    cache.make(db, org, "org", org, raw),
  ];
  const { own } = attached;
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
    : [own ?? cache.make(db, org, "session", session.id, raw), ...others];
  for (const scope of scopes) {
    tick(db, scope);
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
  cache: ScopeCache,
): Attached {
  const { org } = input;
  if (input.session.kind === "none") return { session: null, own: null, fresh: null };
  let session: SessionRow | null;
  let id: string;
  if (input.session.kind === "id") {
    id = input.session.id;
    session = findSession(db, org, id);
  } else {
    const active = findActive(db, org, input.user);
    if (active !== null) {
      const own = cache.make(db, org, "session", active.id, raw);
      if (overReason(active, own.now) === null) return { session: active, own, fresh: null };
    }
    id = input.session.open.id;
    session = findSession(db, org, id);
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
  if (candidates <= FEW_PREFIXES) {
    return (hash) => {
      const sql = "SELECT tokens FROM prefixes WHERE scope = ? AND hash = ?";
      const tokens = row(db, sql, scope.no, hash)?.["tokens"];
      return tokens === undefined ? undefined : Number(tokens);
    };
  }
  const memory = new Map(
    rows(db, "SELECT hash, tokens FROM prefixes WHERE scope = ?", scope.no)
      .map((known) => [known["hash"], Number(known["tokens"])]),
  );
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

/** Sessions in SQLite, inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import type { OpenedSession, OpenSession, Session, SessionQuery } from "./ledger.ts";
import { conflict, matches, parseSpec, sameSpec, specText, statusOf } from "./session_spec.ts";
import {
  findScope,
  insertLimit,
  makeScope,
  numberOrNull,
  type Row,
  row,
  rows,
  run,
  type ScopeRow,
  stateOf,
  tick,
} from "./sqlite_book.ts";

/** A session's row, read. */
export interface SessionRow {
  readonly id: string;
  readonly user: string;
  readonly keyId: string;
  readonly spec: string;
  readonly createdAt: number;
  readonly deadline: number | null;
  readonly idleMs: number | null;
  seenAt: number;
  readonly endedAt: number | null;
  readonly active: boolean;
}

/** Reads a session; `null` when it is not known. */
export function findSession(db: DatabaseSync, org: string, id: string): SessionRow | null {
  const found = row(db, "SELECT * FROM sessions WHERE org = ? AND id = ?", org, id);
  return found === undefined ? null : sessionOf(found);
}

/** Reads the session that the active mark is on, ended by time or not. */
export function findActive(db: DatabaseSync, org: string, user: string): SessionRow | null {
  const found = row(
    db,
    "SELECT * FROM sessions WHERE org = ? AND user = ? AND active = 1",
    org,
    user,
  );
  return found === undefined ? null : sessionOf(found);
}

function sessionOf(found: Row): SessionRow {
  return {
    id: found["id"] as string,
    user: found["user"] as string,
    keyId: found["key_id"] as string,
    spec: found["spec"] as string,
    createdAt: Number(found["created_at"]),
    deadline: numberOrNull(found["deadline"]),
    idleMs: numberOrNull(found["idle_ms"]),
    seenAt: Number(found["seen_at"]),
    endedAt: numberOrNull(found["ended_at"]),
    active: found["active"] === 1n,
  };
}

/** The earlier of its deadline and its idle time. */
export function expiryOf(session: SessionRow): number | null {
  const idle = session.idleMs === null ? Infinity : session.seenAt + session.idleMs;
  const end = Math.min(session.deadline ?? Infinity, idle);
  return end === Infinity ? null : end;
}

/** Whether it takes no more requests at its scope's time, and why. */
export function overReason(
  session: SessionRow,
  now: number,
): "session_ended" | "session_expired" | null {
  if (session.endedAt !== null) return "session_ended";
  const end = expiryOf(session);
  return end !== null && now >= end ? "session_expired" : null;
}

/** A session with its scope's clock. */
export function scopeOfSession(
  db: DatabaseSync,
  org: string,
  session: SessionRow,
  raw: number,
): ScopeRow {
  return makeScope(db, org, "session", session.id, raw);
}

/** Opens a session (see {@linkcode SessionLedger.openSession}). */
export function openSession(db: DatabaseSync, input: OpenSession, raw: number): OpenedSession {
  const { org, user, spec } = input;
  const there = findSession(db, org, spec.id);
  if (there !== null) {
    if (there.user !== user || !sameSpec(there.spec, spec)) throw conflict(spec.id);
    return { session: view(db, org, there, raw), created: false, ended: null };
  }
  let ended: string | null = null;
  if (input.makeActive) {
    const before = findActive(db, org, user);
    if (before !== null) {
      const { now } = scopeOfSession(db, org, before, raw);
      if (overReason(before, now) === null) {
        ended = before.id;
        run(db, "UPDATE sessions SET ended_at = ? WHERE org = ? AND id = ?", now, org, ended);
      }
    }
  }
  const session = createSession(db, input, raw);
  return { session: view(db, org, session, raw), created: true, ended };
}

/** Writes a session that is not there, moving the active mark to it when asked. */
export function createSession(db: DatabaseSync, input: OpenSession, raw: number): SessionRow {
  const { org, user, spec } = input;
  if (input.makeActive) clearActive(db, org, user);
  run(
    db,
    `INSERT INTO sessions (org, id, user, key_id, spec, created_at, deadline, idle_ms, seen_at, active)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    org,
    spec.id,
    user,
    input.keyId,
    specText(spec),
    raw,
    spec.ttlMs === null ? null : raw + spec.ttlMs,
    spec.idleMs,
    raw,
    input.makeActive ? 1 : 0,
  );
  const scope = makeScope(db, org, "session", spec.id, raw);
  for (const limit of spec.limits) insertLimit(db, scope, limit);
  const made = findSession(db, org, spec.id);
  if (made === null) throw new Error("A session that was just made is there");
  return made;
}

function clearActive(db: DatabaseSync, org: string, user: string): void {
  run(
    db,
    "UPDATE sessions SET active = 0 WHERE org = ? AND user = ? AND active = 1",
    org,
    user,
  );
}

/** Ends a session that is there. Returns whether it had not been ended. */
export function endSession(
  db: DatabaseSync,
  org: string,
  session: SessionRow,
  raw: number,
): boolean {
  if (session.endedAt !== null) return false;
  const { no, now } = scopeOfSession(db, org, session, raw);
  run(db, "UPDATE scopes SET clock = ? WHERE no = ?", now, no);
  run(
    db,
    "UPDATE sessions SET ended_at = ?, active = 0 WHERE org = ? AND id = ?",
    now,
    org,
    session.id,
  );
  return true;
}

/** Notes a sign of life, and moves the clock. */
export function touchSession(db: DatabaseSync, org: string, id: string, scope: ScopeRow): void {
  tick(db, scope);
  run(db, "UPDATE sessions SET seen_at = ? WHERE org = ? AND id = ?", scope.now, org, id);
}

/** The session as the port shows it. */
export function view(db: DatabaseSync, org: string, session: SessionRow, raw: number): Session {
  const scope = findScope(db, org, "session", session.id, raw);
  if (scope === null) throw new Error("A session has a scope");
  const over = overReason(session, scope.now);
  const limits = scope.limits.map(stateOf);
  const spec = parseSpec(session.spec);
  return {
    id: session.id,
    org,
    user: session.user,
    keyId: session.keyId,
    type: spec.type,
    tracingSessionId: spec.tracingSessionId,
    metadata: spec.metadata,
    createdAt: session.createdAt,
    expiresAt: expiryOf(session),
    idleMs: session.idleMs,
    seenAt: session.seenAt,
    endedAt: session.endedAt,
    isActive: session.active && over === null,
    status: statusOf(over, limits),
    used: scope.used,
    limits,
  };
}

/** One page, newest first. Status and activity are derived, so they are filtered here. */
export function listSessions(
  db: DatabaseSync,
  org: string,
  query: SessionQuery,
  raw: number,
): Session[] {
  const { limit = 100, offset = 0 } = query;
  const found: Session[] = [];
  let skipped = 0;
  for (let from = 0; found.length < limit; from += 200) {
    const page = rows(
      db,
      `SELECT * FROM sessions WHERE org = ? AND (? IS NULL OR user = ?)
       ORDER BY created_at DESC, id DESC LIMIT 200 OFFSET ?`,
      org,
      query.user ?? null,
      query.user ?? null,
      from,
    );
    for (const one of page) {
      const session = view(db, org, sessionOf(one), raw);
      if (!matches(session, query)) continue;
      if (skipped++ >= offset && found.length < limit) found.push(session);
    }
    if (page.length < 200) break;
  }
  return found;
}

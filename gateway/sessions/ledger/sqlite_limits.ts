/** Limits and usage without a lease in SQLite, inside one transaction. @module */
import type { DatabaseSync } from "node:sqlite";
import {
  type LimitSpec,
  type LimitState,
  MAX_LIMIT,
  METRICS,
  NOTHING,
  type ScopeRef,
} from "../limits.ts";
import { limitTooLarge, otherRaise, tooManyLimits, usageTooLarge } from "./checks.ts";
import type { Changed, RecordUsage, UsageEvent } from "./ledger.ts";
import { MAX_LIMITS, MAX_USED, REMEMBERED_OPERATIONS } from "./ledger.ts";
import {
  advance,
  findScope,
  insertLimit,
  makeScope,
  row,
  run,
  type ScopeRow,
  stateOf,
} from "./sqlite_book.ts";
import { findEvent, writeEvent } from "./sqlite_journal.ts";
import { chargeLoosely } from "./sqlite_settle.ts";
import { findSession } from "./sqlite_sessions.ts";

/** A session must be there; keys and orgs are made by their first limit. */
function scopeFor(db: DatabaseSync, ref: ScopeRef, raw: number): ScopeRow | null {
  return ref.kind === "session"
    ? findScope(db, ref.org, ref.kind, ref.id, raw)
    : makeScope(db, ref.org, ref.kind, ref.id, raw);
}

/** Adds a limit (see {@linkcode SessionLedger.addLimit}). */
export function addLimit(
  db: DatabaseSync,
  ref: ScopeRef,
  spec: LimitSpec,
  raw: number,
): Changed<LimitState> | null {
  const scope = scopeFor(db, ref, raw);
  if (scope === null) return null;
  const there = scope.limits.find((limit) => limit.id === spec.id);
  if (there !== undefined) return { value: stateOf(there), changed: false };
  if (scope.limits.length >= MAX_LIMITS) throw tooManyLimits();
  advance(db, scope, NOTHING);
  insertLimit(db, scope, spec);
  const made = findScope(db, ref.org, ref.kind, ref.id, raw)?.limits.at(-1);
  if (made === undefined) throw new Error("A limit that was just made is there");
  return { value: stateOf(made), changed: true };
}

/** Raises a limit (see {@linkcode SessionLedger.raiseLimit}). */
export function raiseLimit(
  db: DatabaseSync,
  ref: ScopeRef,
  input: { readonly limitId: string; readonly by: bigint; readonly operationId: string },
  raw: number,
): Changed<LimitState> | null {
  const scope = findScope(db, ref.org, ref.kind, ref.id, raw);
  const limit = scope?.limits.find((one) => one.id === input.limitId);
  if (!scope || limit === undefined) return null;
  const { operationId } = input;
  // Behind the id stands what was done; lines of older versions have the id alone.
  const operation = `${operationId} ${input.limitId} ${input.by}`;
  const done = row(
    db,
    "SELECT id FROM operations WHERE scope = ? AND (id = ? OR (id >= ? AND id < ?))",
    scope.no,
    operationId,
    `${operationId} `,
    `${operationId}!`,
  )?.["id"];
  if (done === operation || done === operationId) return { value: stateOf(limit), changed: false };
  if (done !== undefined) throw otherRaise();
  const value = limit.value + input.by;
  if (value > MAX_LIMIT) throw limitTooLarge();
  advance(db, scope, NOTHING);
  run(db, "UPDATE limits SET value = ? WHERE no = ?", value, limit.no);
  run(db, "INSERT INTO operations (scope, id) VALUES (?, ?)", scope.no, operation);
  run(
    db,
    `DELETE FROM operations WHERE scope = ? AND no NOT IN
       (SELECT no FROM operations WHERE scope = ? ORDER BY no DESC LIMIT ?)`,
    scope.no,
    scope.no,
    REMEMBERED_OPERATIONS,
  );
  return { value: { ...stateOf(limit), value }, changed: true };
}

/** Counts usage without a lease (see {@linkcode SessionLedger.recordUsage}). */
export function recordUsage(
  db: DatabaseSync,
  input: RecordUsage,
  raw: number,
): Changed<UsageEvent> | null {
  const { org, sessionId, keyId } = input;
  const session = findSession(db, org, sessionId);
  if (session === null) return null;
  const id = `ref_${input.referenceId}`;
  const there = findEvent(db, org, id, sessionId);
  if (there !== null) return { value: there, changed: false };
  const scopes = [
    makeScope(db, org, "session", sessionId, raw),
    makeScope(db, org, "key", keyId, raw),
    makeScope(db, org, "org", org, raw),
  ];
  const { amounts } = input;
  for (const { used } of scopes) {
    if (METRICS.some((metric) => used[metric] + amounts[metric] > MAX_USED)) throw usageTooLarge();
  }
  chargeLoosely(db, scopes, amounts);
  const event: UsageEvent = {
    id,
    kind: "record",
    org,
    sessionId,
    user: input.user,
    keyId,
    model: null,
    priceVersion: null,
    at: raw,
    amounts,
    overrun: NOTHING,
    expired: false,
    detail: null,
    referenceType: input.referenceType,
    metadata: input.metadata,
  };
  writeEvent(db, event);
  return { value: event, changed: true };
}

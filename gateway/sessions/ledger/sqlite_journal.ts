/** The usage journal in SQLite: one line a lease, and what was recorded without one. @module */
import type { DatabaseSync } from "node:sqlite";
import { type Amounts, mapAmounts, NOTHING } from "../limits.ts";
import type { UsageDetail, UsageEvent, UsageQuery } from "./ledger.ts";
import { type Row, row, rows, run } from "./sqlite_book.ts";

/** Writes an event, replacing the one of the same lease (an expiry that is corrected). */
export function writeEvent(db: DatabaseSync, event: UsageEvent): void {
  const { amounts, overrun } = event;
  run(
    db,
    `INSERT OR REPLACE INTO usage (org, id, session_id, kind, at, user, key_id, model, price_version, tokens, cost, gpu_time,
       api_calls, over_tokens, over_cost, over_gpu_time, over_api_calls, expired, detail, reference_type, metadata)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    event.org,
    event.id,
    event.sessionId,
    event.kind,
    event.at,
    event.user,
    event.keyId,
    event.model,
    event.priceVersion,
    amounts.tokens,
    amounts.cost,
    amounts.gpu_time,
    amounts.api_calls,
    overrun.tokens,
    overrun.cost,
    overrun.gpu_time,
    overrun.api_calls,
    event.expired ? 1 : 0,
    event.detail === null ? null : JSON.stringify(event.detail),
    event.referenceType,
    JSON.stringify(event.metadata),
  );
}

/** Takes an event back: its lease was released after it had expired. */
export function deleteEvent(
  db: DatabaseSync,
  org: string,
  id: string,
  sessionId: string | null,
): void {
  run(
    db,
    "DELETE FROM usage WHERE org = ? AND id = ? AND ifnull(session_id, '') = ?",
    org,
    id,
    sessionId ?? "",
  );
}

/** One event; `null` when it is not there. */
export function findEvent(
  db: DatabaseSync,
  org: string,
  id: string,
  sessionId: string | null,
): UsageEvent | null {
  const found = row(
    db,
    "SELECT * FROM usage WHERE org = ? AND id = ? AND ifnull(session_id, '') = ?",
    org,
    id,
    sessionId ?? "",
  );
  return found === undefined ? null : eventOf(found);
}

/** What a settled lease came to; nothing when the journal has dropped it. */
export function readEventAmounts(
  db: DatabaseSync,
  org: string,
  id: string,
  sessionId: string | null,
): { actual: Amounts; overrun: Amounts } {
  const event = findEvent(db, org, id, sessionId);
  return { actual: event?.amounts ?? NOTHING, overrun: event?.overrun ?? NOTHING };
}

/** One page, newest first. */
export function listUsage(db: DatabaseSync, org: string, query: UsageQuery): UsageEvent[] {
  const { sessionId = null, from = 0, to = Number.MAX_SAFE_INTEGER } = query;
  const page = [query.limit ?? 100, query.offset ?? 0];
  const found = sessionId === null
    ? rows(
      db,
      "SELECT * FROM usage WHERE org = ? AND at >= ? AND at < ? ORDER BY at DESC, id DESC LIMIT ? OFFSET ?",
      org,
      from,
      to,
      ...page,
    )
    : rows(
      db,
      `SELECT * FROM usage INDEXED BY usage_once WHERE org = ? AND ifnull(session_id, '') = ? AND at >= ? AND at < ?
       ORDER BY at DESC, id DESC LIMIT ? OFFSET ?`,
      org,
      sessionId,
      from,
      to,
      ...page,
    );
  return found.map(eventOf);
}

function eventOf(found: Row): UsageEvent {
  const detail = found["detail"] as string | null;
  return {
    id: found["id"] as string,
    kind: found["kind"] as UsageEvent["kind"],
    org: found["org"] as string,
    sessionId: found["session_id"] as string | null,
    user: found["user"] as string,
    keyId: found["key_id"] as string,
    model: found["model"] as string | null,
    priceVersion: found["price_version"] as string | null,
    at: Number(found["at"]),
    amounts: mapAmounts((metric) => found[metric] as bigint),
    overrun: mapAmounts((metric) => found[`over_${metric}`] as bigint),
    expired: found["expired"] === 1n,
    detail: detail === null ? null : JSON.parse(detail) as UsageDetail,
    referenceType: found["reference_type"] as string | null,
    metadata: JSON.parse(found["metadata"] as string),
  };
}

/** What went beyond a lease. */
export function overrunOf(actual: Amounts, held: Amounts): Amounts {
  return mapAmounts((metric) => actual[metric] > held[metric] ? actual[metric] - held[metric] : 0n);
}

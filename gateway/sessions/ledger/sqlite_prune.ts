/** Bounded growth of the ledger's file: what is past its retention goes, a little with every sweep. @module */
import type { DatabaseSync } from "node:sqlite";
import type { Retention } from "./retention.ts";
import { rows, run } from "./sqlite_book.ts";

/** Rows of each kind that one sweep drops, so that no sweep holds the lock for long. */
const BATCH = 500;

/** Drops what is past its retention. */
export function prune(db: DatabaseSync, org: string, keep: Retention, raw: number): void {
  run(
    db,
    `DELETE FROM leases WHERE org = ? AND id IN (
       SELECT id FROM leases WHERE org = ? AND done_at < ? AND (state <> 'expired' OR done_at < ?) LIMIT ?)`,
    org,
    org,
    raw - keep.leaseMs,
    raw - keep.expiredLeaseMs,
    BATCH,
  );
  run(
    db,
    "DELETE FROM usage WHERE no IN (SELECT no FROM usage WHERE org = ? AND at < ? LIMIT ?)",
    org,
    raw - keep.usageMs,
    BATCH,
  );
  run(
    db,
    `DELETE FROM usage WHERE no IN (
       SELECT no FROM usage WHERE org = ? ORDER BY at DESC, no DESC LIMIT ? OFFSET ?)`,
    org,
    BATCH,
    keep.usageMax,
  );
  pruneSessions(db, org, raw - keep.sessionMs);
}

function pruneSessions(db: DatabaseSync, org: string, before: number): void {
  const gone = rows(
    db,
    `SELECT id FROM sessions WHERE org = ?
       AND (ended_at < ? OR deadline < ? OR seen_at + idle_ms < ?)
       AND NOT EXISTS (SELECT 1 FROM leases WHERE leases.org = sessions.org AND state = 'open'
         AND session_id = sessions.id)
     LIMIT ?`,
    org,
    before,
    before,
    before,
    BATCH,
  );
  for (const { id } of gone) {
    run(db, "DELETE FROM scopes WHERE org = ? AND kind = 'session' AND id = ?", org, id as string);
    run(db, "DELETE FROM sessions WHERE org = ? AND id = ?", org, id as string);
  }
}

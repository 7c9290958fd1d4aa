/** Bounded growth of the ledger's file: what is past its retention goes, a little with every sweep. @module */
import type { DatabaseSync } from "node:sqlite";
import { newTimedId } from "@synth/core";
import type { Retention } from "./retention.ts";
import { rows, run } from "./sqlite_book.ts";

/** Rows of each kind that one transaction drops, so that none holds the lock for long. */
const BATCH = 500;

/** Drops what is past its retention. Returns whether there may be more of it. */
export function prune(db: DatabaseSync, org: string, keep: Retention, raw: number): boolean {
  const dropped = [
    pruneLeases(db, org, keep, raw),
    run(
      db,
      "DELETE FROM usage WHERE no IN (SELECT no FROM usage WHERE org = ? AND at < ? LIMIT ?)",
      org,
      raw - keep.usageMs,
      BATCH,
    ),
    run(
      db,
      `DELETE FROM usage WHERE no IN (
         SELECT no FROM usage WHERE org = ? ORDER BY at DESC, no DESC LIMIT ? OFFSET ?)`,
      org,
      BATCH,
      keep.usageMax,
    ),
    pruneSessions(db, org, raw - keep.sessionMs),
  ];
  return dropped.some((count) => count >= BATCH);
}

/**
 * A lease that ended before some moment was made before it, and the gateway's ids sort by when they were made: all that is due among
 * them lies below one id. Ids of another kind have an index.
 */
function pruneLeases(db: DatabaseSync, org: string, keep: Retention, raw: number): number {
  const before = raw - keep.leaseMs;
  const beforeExpired = raw - keep.expiredLeaseMs;
  const timed = run(
    db,
    `DELETE FROM leases WHERE org = ? AND id IN (
       SELECT id FROM leases WHERE org = ? AND id < ? AND length(id) = 32 AND substr(id, 1, 6) = 'lease_'
         AND done_at < ? AND (state <> 'expired' OR done_at < ?) LIMIT ?)`,
    org,
    org,
    newTimedId("lease_", before + 1),
    before,
    beforeExpired,
    BATCH,
  );
  const others = run(
    db,
    `DELETE FROM leases WHERE org = ? AND id IN (
       SELECT id FROM leases INDEXED BY leases_done WHERE org = ? AND done_at < ? AND (state <> 'expired' OR done_at < ?)
         AND (length(id) <> 32 OR substr(id, 1, 6) <> 'lease_') LIMIT ?)`,
    org,
    org,
    before,
    beforeExpired,
    BATCH,
  );
  return Math.max(timed, others);
}

function pruneSessions(db: DatabaseSync, org: string, before: number): number {
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
  return gone.length;
}

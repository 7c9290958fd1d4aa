/**
 * The SQLite port: one file, WAL, writers that queue without blocking the event loop.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../clock.ts";

/** One step of a schema. Steps are applied in order and never changed once released. */
export interface Migration {
  /** 1, 2, 3 ... without gaps. */
  readonly version: number;
  readonly sql: string;
}

/** How a file is opened. */
export interface SqliteOptions {
  /** Absolute path, or `:memory:`. */
  path: string;
  migrations: readonly Migration[];
  /** `FULL` for money, `NORMAL` for the rest. @default {"NORMAL"} */
  synchronous?: "FULL" | "NORMAL";
  /** How long opening and each write may wait for the lock, in milliseconds. @default {5000} */
  busyDeadlineMs?: number;
  /** @default {systemClock} */
  clock?: Clock;
  /** For jitter: 0 to 1. @default {Math.random} */
  random?: () => number;
}

/** A file that is open. `openSqlite(options)` in `sqlite_open.ts` makes one. */
export interface SqliteStore {
  /**
   * Runs `fn` inside `BEGIN IMMEDIATE`. Calls that arrive in one turn of the event loop share one transaction (one that throws undoes
   * itself alone: all of them run once more then, each in its own savepoint). Busy: retried with jitter, asynchronously, until the
   * deadline, then a `SynthError` of code `store_unavailable`. `fn` is synchronous and may run more than once.
   *
   * `epoch` is the same object for as long as nothing but writes of this store that succeeded have changed the file: what one write
   * has read then still holds for the next, except for what writes between them changed.
   *
   * @param beforeCommit writes what several calls have gathered: called once for all calls of a transaction that name the same function
   */
  write<T>(
    fn: (db: DatabaseSync, epoch: object) => T,
    beforeCommit?: (db: DatabaseSync) => void,
  ): Promise<T>;
  /** Runs `fn` on a consistent snapshot. `fn` is synchronous and only reads. */
  read<T>(fn: (db: DatabaseSync) => T): T;
  /** Waits for the writes that were accepted, then closes the file. Later calls fail with `store_unavailable`. */
  close(): Promise<void>;
}

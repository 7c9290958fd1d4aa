/**
 * Opens a SQLite file as a {@linkcode SqliteStore}.
 *
 * ```ts
 * import { openSqlite } from "@synth/core/storage/sqlite";
 *
 * const store = await openSqlite({
 *   path: ":memory:",
 *   migrations: [{ version: 1, sql: "CREATE TABLE notes (text TEXT) STRICT" }],
 * });
 * await store.write((db) => db.prepare("INSERT INTO notes VALUES (?)").run("hello"));
 * store.read((db) => db.prepare("SELECT text FROM notes").all());
 * await store.close();
 * ```
 *
 * @module
 */
import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { basename, dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../clock.ts";
import { storeUnavailable } from "./unavailable.ts";
import type { SqliteOptions, SqliteStore } from "./sqlite.ts";
import { sqliteError, sqliteTrouble, sqliteUnavailable } from "./sqlite_errors.ts";
import { SqliteFile } from "./sqlite_file.ts";
import { migrate } from "./sqlite_migrate.ts";

export { statement } from "./sqlite_statements.ts";
export type { Migration, SqliteOptions, SqliteStore } from "./sqlite.ts";

/** SQLite's own wait blocks the event loop, so it is short; the longer wait is asynchronous. */
const OPEN_BUSY_TIMEOUT_MS = 100;

/**
 * Opens (or makes) a file, private to this user, in WAL mode, at the newest schema.
 * Several processes may open one file at the same time.
 *
 * @throws {SynthError} `store_unavailable` (503; `details.reason` says why) or `store_newer` (503)
 */
export async function openSqlite(options: SqliteOptions): Promise<SqliteStore> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const busyDeadlineMs = options.busyDeadlineMs ?? 5000;
  const name = basename(options.path);
  const end = clock.monotonic() + busyDeadlineMs;
  while (true) {
    try {
      const db = await openOnce(options, clock.now());
      return new SqliteFile(db, { name, busyDeadlineMs, clock, random });
    } catch (error) {
      if (sqliteTrouble(error) !== "busy") throw sqliteError(error, name);
      if (clock.monotonic() >= end) throw sqliteUnavailable(name, "busy", error);
      await clock.sleep(5 + random() * 45);
    }
  }
}

async function openOnce(options: SqliteOptions, now: number): Promise<DatabaseSync> {
  const inMemory = options.path === ":memory:";
  if (!inMemory) makePrivate(options.path);
  const db = new DatabaseSync(options.path, { timeout: OPEN_BUSY_TIMEOUT_MS });
  try {
    db.prepare(`PRAGMA busy_timeout = ${OPEN_BUSY_TIMEOUT_MS}`).get();
    const mode = db.prepare("PRAGMA journal_mode = WAL").get()?.["journal_mode"];
    if (!inMemory && mode !== "wal") {
      throw storeUnavailable(
        `The store "${basename(options.path)}" is on a file system without shared memory`,
        "cannot_open",
      );
    }
    db.exec(`PRAGMA synchronous = ${options.synchronous ?? "NORMAL"}`);
    db.exec("PRAGMA trusted_schema = OFF; PRAGMA journal_size_limit = 67108864");
    await migrate(db, options.path, options.migrations, now);
    db.exec("PRAGMA foreign_keys = ON");
    // From here on a lock that is taken is awaited asynchronously, never by blocking.
    db.prepare("PRAGMA busy_timeout = 0").get();
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

/**
 * Makes missing folders (0700) and the file (0600) before SQLite does; SQLite gives `-wal` and `-shm` the file's mode.
 * An existing file is changed by name only: closing a descriptor of it would drop the locks this process holds on it.
 */
function makePrivate(path: string): void {
  const name = basename(path);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    if (existsSync(path)) {
      chmodSync(path, 0o600);
      return;
    }
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (code === "EEXIST" && existsSync(path)) return;
    if (code === "ENOSPC" || code === "EDQUOT") throw sqliteUnavailable(name, "full", error);
    if (code === "EROFS") throw sqliteUnavailable(name, "read_only", error);
    throw sqliteUnavailable(name, "cannot_open", error);
  }
}

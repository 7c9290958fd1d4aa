/** An open SQLite file: writes that queue, reads on a snapshot. @module */
import type { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import type { Clock } from "../clock.ts";
import type { SqliteStore } from "./sqlite.ts";
import { sqliteError, sqliteTrouble, sqliteUnavailable } from "./sqlite_errors.ts";
import { statement } from "./sqlite_statements.ts";

/** More than this many writes are spread over several transactions, so that the event loop breathes. */
const MAX_BATCH = 256;
/** Longest rest after a transaction that several writes shared, in milliseconds. */
const MAX_REST_MS = 8;
/** Below this a disk is fast enough to be asked again at once. */
const MIN_REST_MS = 0.3;
/** Longest pause between two tries for the lock, in milliseconds. */
const MAX_PAUSE_MS = 40;

type SqliteWrite = (db: DatabaseSync, epoch: object) => unknown;

interface PendingWrite {
  readonly run: SqliteWrite;
  readonly beforeCommit: ((db: DatabaseSync) => void) | null;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** On the monotonic clock. */
  readonly deadline: number;
}

type Outcome = { ok: true; value: unknown } | { ok: false; error: unknown };

/** What became of a transaction: its outcomes, a lock that is taken, or nothing at all. */
type Attempt =
  | { kind: "done"; outcomes: Outcome[] }
  | { kind: "busy" }
  | { kind: "lost"; error: unknown };

/** What {@linkcode SqliteFile} needs beside the connection. */
export interface SqliteFileOptions {
  /** For messages. */
  name: string;
  busyDeadlineMs: number;
  clock: Clock;
  random: () => number;
}

/** {@linkcode SqliteStore} over one connection of node:sqlite. */
export class SqliteFile implements SqliteStore {
  readonly #db: DatabaseSync;
  readonly #options: SqliteFileOptions;
  #queue: PendingWrite[] = [];
  #scheduled = false;
  #tries = 0;
  /** How long the last commit waited for the disk, in milliseconds. */
  #commitMs = 0;
  /** On the monotonic clock: until then writes gather. */
  #restUntil = -Infinity;
  #epoch: object = {};
  /** SQLite's count of what other connections have committed. */
  #dataVersion: unknown = null;
  #closing: Promise<void> | null = null;
  #drained: (() => void) | null = null;

  constructor(db: DatabaseSync, options: SqliteFileOptions) {
    this.#db = db;
    this.#options = options;
  }

  write<T>(
    fn: (db: DatabaseSync, epoch: object) => T,
    beforeCommit: ((db: DatabaseSync) => void) | null = null,
  ): Promise<T> {
    if (this.#closing !== null) return Promise.reject(this.#closed());
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        run: fn,
        beforeCommit,
        resolve: resolve as (value: unknown) => void,
        reject,
        deadline: this.#options.clock.monotonic() + this.#options.busyDeadlineMs,
      });
      this.#schedule(null);
    });
  }

  read<T>(fn: (db: DatabaseSync) => T): T {
    if (!this.#db.isOpen) throw this.#closed();
    if (this.#db.isTransaction) return fn(this.#db);
    try {
      this.#beginRead();
      try {
        return fn(this.#db);
      } finally {
        if (this.#db.isTransaction) statement(this.#db, "COMMIT").run();
      }
    } catch (error) {
      throw sqliteError(error, this.#options.name);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#drain().then(() => {
      if (this.#db.isOpen) this.#db.close();
    });
    return this.#closing;
  }

  #drain(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained = resolve);
  }

  #closed(): Error {
    return sqliteUnavailable(this.#options.name, "closed");
  }

  /** A reader waits only while a crashed writer's log is recovered: rare and short, so it waits in place. */
  #beginRead(): void {
    statement(this.#db, "BEGIN").run();
    try {
      // BEGIN takes no lock yet; this read does, and fixes the snapshot.
      statement(this.#db, "PRAGMA user_version").get();
    } catch (error) {
      if (sqliteTrouble(error) !== "busy") {
        this.#rollback();
        throw error;
      }
      this.#db.exec("PRAGMA busy_timeout = 250");
      try {
        statement(this.#db, "PRAGMA user_version").get();
      } catch (again) {
        this.#rollback();
        throw again;
      } finally {
        this.#db.exec("PRAGMA busy_timeout = 0");
      }
    }
  }

  #schedule(pauseMs: number | null): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    const flush = () => {
      this.#scheduled = false;
      this.#flush();
    };
    const pause = pauseMs ?? this.#restUntil - this.#options.clock.monotonic();
    if (pause > 0) this.#options.clock.after(pause, flush);
    else setImmediate(flush);
  }

  /**
   * A commit holds up the event loop until the disk has it, be it for one write or for a hundred. Where several come at a time, the next
   * transaction begins after a rest as long as that wait, so that more of them share it; a write that comes alone never waits.
   */
  #rest(writes: number): void {
    if (writes < 2 || this.#commitMs < MIN_REST_MS) return;
    this.#restUntil = this.#options.clock.monotonic() + Math.min(MAX_REST_MS, this.#commitMs);
  }

  #flush(): void {
    const batch = this.#queue.splice(0, MAX_BATCH);
    const busy: PendingWrite[] = [];
    const first = this.#transact(batch);
    if (first.kind === "lost" && batch.length > 1) {
      // One of them broke the transaction for all; alone, only that one fails.
      for (const write of batch) this.#finish([write], this.#transact([write]), busy);
    } else {
      this.#finish(batch, first, busy);
    }
    if (busy.length > 0) this.#waitForLock(busy);
    else this.#tries = 0;
    this.#rest(batch.length);
    if (this.#queue.length > 0) this.#schedule(busy.length > 0 ? this.#pause() : null);
    else this.#drained?.();
  }

  #finish(batch: PendingWrite[], attempt: Attempt, busy: PendingWrite[]): void {
    if (attempt.kind === "busy") {
      busy.push(...batch);
      return;
    }
    for (const [index, write] of batch.entries()) {
      const outcome = attempt.kind === "done" ? attempt.outcomes[index] : attempt;
      if (outcome !== undefined && "ok" in outcome && outcome.ok) write.resolve(outcome.value);
      else write.reject(sqliteError(outcome?.error, this.#options.name));
    }
  }

  #waitForLock(busy: PendingWrite[]): void {
    this.#tries++;
    const now = this.#options.clock.monotonic();
    const inTime: PendingWrite[] = [];
    for (const write of busy) {
      if (write.deadline > now) inTime.push(write);
      else write.reject(sqliteUnavailable(this.#options.name, "busy"));
    }
    this.#queue = [...inTime, ...this.#queue];
  }

  /** Full jitter below a ceiling that doubles: several processes do not meet again and again. */
  #pause(): number {
    const ceiling = Math.min(MAX_PAUSE_MS, 2 ** Math.min(this.#tries, 6));
    return this.#options.random() * ceiling;
  }

  /** What throws must undo itself alone. That is rare, so savepoints are set only when it has happened. */
  #transact(batch: PendingWrite[]): Attempt {
    const attempt = this.#attempt(batch, false);
    return attempt.kind === "lost" && batch.length > 1 ? this.#attempt(batch, true) : attempt;
  }

  #attempt(batch: PendingWrite[], apart: boolean): Attempt {
    const db = this.#db;
    try {
      statement(db, "BEGIN IMMEDIATE").run();
      this.#noteOthers();
      const outcomes = apart ? batch.map((write) => this.#runApart(write)) : this.#runAll(batch);
      const before = this.#options.clock.monotonic();
      statement(db, "COMMIT").run();
      this.#commitMs = this.#options.clock.monotonic() - before;
      return { kind: "done", outcomes };
    } catch (error) {
      this.#rollback();
      return sqliteTrouble(error) === "busy" ? { kind: "busy" } : { kind: "lost", error };
    }
  }

  /** With the lock held: others may have written since. */
  #noteOthers(): void {
    const version = statement(this.#db, "PRAGMA data_version").get()?.["data_version"];
    if (version === this.#dataVersion) return;
    this.#dataVersion = version;
    this.#epoch = {};
  }

  /** Runs writes one after the other, then what they have gathered. Throws what the first of them throws. */
  #runAll(batch: PendingWrite[]): Outcome[] {
    const gathered = new Set<(db: DatabaseSync) => void>();
    const outcomes: Outcome[] = [];
    for (const write of batch) {
      outcomes.push({ ok: true, value: this.#runSync(write.run) });
      if (write.beforeCommit !== null) gathered.add(write.beforeCommit);
    }
    for (const beforeCommit of gathered) beforeCommit(this.#db);
    return outcomes;
  }

  /** Runs one write in a savepoint. Throws what ends the whole transaction; what ends only this write is an outcome. */
  #runApart(write: PendingWrite): Outcome {
    const db = this.#db;
    statement(db, "SAVEPOINT one_write").run();
    try {
      const value = this.#runSync(write.run);
      write.beforeCommit?.(db);
      statement(db, "RELEASE one_write").run();
      return { ok: true, value };
    } catch (error) {
      this.#epoch = {};
      if (!db.isTransaction || sqliteTrouble(error) === "busy") throw error;
      statement(db, "ROLLBACK TO one_write").run();
      statement(db, "RELEASE one_write").run();
      return { ok: false, error };
    }
  }

  #runSync(run: SqliteWrite): unknown {
    const value = run(this.#db, this.#epoch);
    if (value instanceof Promise) {
      value.catch(() => {});
      throw new TypeError("A write must be synchronous: it returned a promise");
    }
    return value;
  }

  /** SQLite may have rolled back by itself (disk full); if this fails, the next transaction tries again. */
  #rollback(): void {
    this.#epoch = {};
    try {
      if (this.#db.isTransaction) statement(this.#db, "ROLLBACK").run();
    } catch {
      // The error that led here is the one to report.
    }
  }
}

/**
 * The ledger in a SQLite file of its own: one machine, any number of processes, `synchronous=FULL`.
 *
 * ```ts
 * const ledger = await openSqliteLedger({ path: "/var/lib/synth/ledger.db" });
 * ```
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import { type Clock, systemClock } from "@synth/core";
import { openSqlite, type SqliteStore } from "@synth/core/storage/sqlite";
import { type LimitSpec, type LimitState, NOTHING, type ScopeRef } from "../limits.ts";
import {
  checkLease,
  checkLimit,
  checkOpen,
  checkPage,
  checkRaise,
  checkRecord,
  checkReserve,
  checkScope,
  checkSettle,
} from "./checks.ts";
import type {
  Changed,
  Grant,
  LeaseRef,
  OpenedSession,
  OpenSession,
  RecordUsage,
  Refusal,
  ReserveInput,
  ScopeState,
  Session,
  SessionLedger,
  SessionQuery,
  Settled,
  SettleInput,
  UsageEvent,
  UsageQuery,
} from "./ledger.ts";
import { DEFAULT_RETENTION, type Retention } from "./retention.ts";
import { findScope, stateOf } from "./sqlite_book.ts";
import { LedgerCache } from "./sqlite_cache.ts";
import { listUsage } from "./sqlite_journal.ts";
import { reserve } from "./sqlite_reserve.ts";
import { expireDue, release, settle } from "./sqlite_settle.ts";
import { addLimit, raiseLimit, recordUsage } from "./sqlite_limits.ts";
import { prune } from "./sqlite_prune.ts";
import { LEDGER_MIGRATIONS } from "./sqlite_schema.ts";
import {
  endSession,
  findActive,
  findSession,
  listSessions,
  openSession,
  overReason,
  scopeOfSession,
  touchSession,
  view,
} from "./sqlite_sessions.ts";

const PRUNE_EVERY_MS = 60_000;
/** Transactions of one pruning, each a short one, with those of others in between: what comes in a minute must go in a minute. */
const MAX_PRUNES = 100;

/** How the file is opened. */
export interface SqliteLedgerOptions {
  /** Absolute path, or `:memory:`. Nothing else may be in this file. */
  path: string;
  /** @default {systemClock} */
  clock?: Clock;
  retention?: Partial<Retention>;
  /** How long a verb may wait for the lock, in milliseconds. @default {5000} */
  busyDeadlineMs?: number;
}

/** Opens the file, making or migrating it. @throws {SynthError} `store_unavailable`, `store_newer` */
export async function openSqliteLedger(options: SqliteLedgerOptions): Promise<SqliteLedger> {
  const store = await openSqlite({
    path: options.path,
    migrations: LEDGER_MIGRATIONS,
    synchronous: "FULL",
    ...(options.busyDeadlineMs === undefined ? {} : { busyDeadlineMs: options.busyDeadlineMs }),
  });
  return new SqliteLedger(store, options);
}

/** {@linkcode SessionLedger} over a {@linkcode SqliteStore}. */
export class SqliteLedger implements SessionLedger {
  readonly #store: SqliteStore;
  readonly #clock: Clock;
  readonly #retention: Retention;
  readonly #cache: LedgerCache = new LedgerCache();
  readonly #flush = (db: DatabaseSync): void => this.#cache.flush(db);
  /** By org: when it was last pruned, on the monotonic clock. */
  readonly #pruned: Map<string, number> = new Map();

  constructor(store: SqliteStore, options: Omit<SqliteLedgerOptions, "path"> = {}) {
    this.#store = store;
    this.#clock = options.clock ?? systemClock;
    this.#retention = { ...DEFAULT_RETENTION, ...options.retention };
  }

  /** One transaction at the store's time. */
  #write<T>(fn: (db: DatabaseSync, raw: number) => T): Promise<T> {
    return this.#store.write((db, epoch) => {
      this.#cache.enter(db, epoch);
      this.#cache.flush(db);
      this.#cache.forget();
      return fn(db, this.#clock.now());
    });
  }

  /** The same for what reads and changes scopes and sessions through the cache alone. */
  #writeCached<T>(fn: (db: DatabaseSync, raw: number, cache: LedgerCache) => T): Promise<T> {
    return this.#store.write((db, epoch) => {
      this.#cache.enter(db, epoch);
      return fn(db, this.#clock.now(), this.#cache);
    }, this.#flush);
  }

  async #read<T>(fn: (db: DatabaseSync, raw: number) => T): Promise<T> {
    return await this.#store.read((db) => fn(db, this.#clock.now()));
  }

  async openSession(input: OpenSession): Promise<OpenedSession> {
    checkOpen(input);
    return await this.#write((db, raw) => openSession(db, input, raw));
  }

  activeSession(org: string, user: string): Promise<Session | null> {
    return this.#read((db, raw) => {
      const found = findActive(db, org, user);
      const session = found === null ? null : view(db, org, found, raw);
      return session?.isActive ? session : null;
    });
  }

  getSession(org: string, id: string): Promise<Session | null> {
    return this.#read((db, raw) => {
      const found = findSession(db, org, id);
      return found === null ? null : view(db, org, found, raw);
    });
  }

  async listSessions(org: string, query: SessionQuery = {}): Promise<Session[]> {
    checkPage(query.limit ?? 100, query.offset ?? 0);
    return await this.#read((db, raw) => listSessions(db, org, query, raw));
  }

  endSession(org: string, id: string): Promise<Changed<Session> | null> {
    return this.#write((db, raw) => {
      const found = findSession(db, org, id);
      if (found === null) return null;
      const changed = endSession(db, org, found, raw);
      const ended = findSession(db, org, id) ?? found;
      return { value: view(db, org, ended, raw), changed };
    });
  }

  heartbeat(org: string, id: string): Promise<Session | null> {
    return this.#write((db, raw) => {
      const found = findSession(db, org, id);
      if (found === null) return null;
      const scope = scopeOfSession(db, org, found, raw);
      if (overReason(found, scope.now) === null) touchSession(db, org, id, scope);
      return view(db, org, findSession(db, org, id) ?? found, raw);
    });
  }

  async scope(ref: ScopeRef): Promise<ScopeState | null> {
    checkScope(ref);
    return await this.#read((db, raw) => {
      const found = findScope(db, ref.org, ref.kind, ref.id, raw);
      if (found !== null) {
        return { scope: ref, used: found.used, limits: found.limits.map(stateOf) };
      }
      return ref.kind === "session" ? null : { scope: ref, used: NOTHING, limits: [] };
    });
  }

  async addLimit(ref: ScopeRef, spec: LimitSpec): Promise<Changed<LimitState> | null> {
    checkScope(ref);
    checkLimit(spec);
    return await this.#write((db, raw) => addLimit(db, ref, spec, raw));
  }

  async raiseLimit(
    ref: ScopeRef,
    input: { readonly limitId: string; readonly by: bigint; readonly operationId: string },
  ): Promise<Changed<LimitState> | null> {
    checkScope(ref);
    checkRaise(input);
    return await this.#write((db, raw) => raiseLimit(db, ref, input, raw));
  }

  async reserve(input: ReserveInput): Promise<Grant | Refusal> {
    checkReserve(input);
    return await this.#writeCached((db, raw, cache) => reserve(db, input, raw, cache));
  }

  async release(lease: LeaseRef): Promise<{ readonly state: "released" | "settled" }> {
    checkLease(lease);
    return await this.#write((db, raw) => ({ state: release(db, lease, raw) }));
  }

  async settle(input: SettleInput): Promise<Settled> {
    checkSettle(input);
    return await this.#writeCached((db, raw, cache) => settle(db, input, raw, cache));
  }

  async expireLeases(org: string, max = 100): Promise<{ readonly expired: number }> {
    checkPage(max, 0);
    const last = this.#pruned.get(org) ?? -Infinity;
    const now = this.#clock.monotonic();
    const due = now - last >= PRUNE_EVERY_MS;
    if (due) this.#pruned.set(org, now);
    const found = await this.#write((db, raw) => {
      const expired = expireDue(db, org, max, raw);
      return { expired, more: due && prune(db, org, this.#retention, raw) };
    });
    for (let round = 1; found.more && round < MAX_PRUNES; round++) {
      found.more = await this.#write((db, raw) => prune(db, org, this.#retention, raw));
    }
    return { expired: found.expired };
  }

  async recordUsage(input: RecordUsage): Promise<Changed<UsageEvent> | null> {
    checkRecord(input);
    return await this.#write((db, raw) => recordUsage(db, input, raw));
  }

  async listUsage(org: string, query: UsageQuery = {}): Promise<UsageEvent[]> {
    checkPage(query.limit ?? 100, query.offset ?? 0);
    return await this.#read((db) => listUsage(db, org, query));
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** What was read before, for the two verbs that every request needs, and what they have changed and not written yet. @module */
import type { DatabaseSync } from "node:sqlite";
import type { ScopeKind } from "../limits.ts";
import { findScope, makeScope, run, type ScopeRow, tick, writeGathered } from "./sqlite_book.ts";
import type { LeaseRef } from "./ledger.ts";
import type { LeaseRow } from "./sqlite_lease_rows.ts";
import { findActive, findSession, type SessionRow } from "./sqlite_sessions.ts";

/** Entries of a kind beyond which all are forgotten, when the next write begins. */
const MAX_ENTRIES = 4096;

/**
 * Remembers scopes with their limits, sessions and open leases from one write to the next, and gathers what reserve and settle change of
 * scopes and sessions: requests of one session come together, and {@linkcode LedgerCache.flush} writes each row once before the commit.
 * Any other verb has the ledger flush and {@linkcode LedgerCache.forget} it all first. So does everything that ends the file's epoch (another
 * process's commit, a write that was undone), without the flush: what was gathered then belongs to a transaction that never was.
 */
export class LedgerCache {
  readonly #scopes: Map<string, ScopeRow> = new Map();
  readonly #sessions: Map<string, SessionRow> = new Map();
  /** By org and user. */
  readonly #active: Map<string, SessionRow | null> = new Map();
  /** Granted and not settled since, by the very object that the grant gave out: its holder settles with it. */
  #leases: WeakMap<LeaseRef, LeaseRow> = new WeakMap();
  readonly #changed: Set<ScopeRow> = new Set();
  /** Their time of the last request is not written. By org. */
  readonly #seen: Map<SessionRow, string> = new Map();
  #epoch: object | null = null;

  /** To be called when a write begins. */
  enter(db: DatabaseSync, epoch: object): void {
    if (epoch !== this.#epoch) {
      this.#changed.clear();
      this.#seen.clear();
      this.forget();
      this.#epoch = epoch;
    } else if (this.#isFull()) {
      this.flush(db);
      this.forget();
    }
  }

  #isFull(): boolean {
    return [this.#scopes, this.#sessions, this.#active].some(({ size }) => size > MAX_ENTRIES);
  }

  /** Writes what was gathered. To be called before the commit, and before anything else looks into the file. */
  flush(db: DatabaseSync): void {
    for (const scope of this.#changed) writeGathered(db, scope);
    this.#changed.clear();
    for (const [{ id, seenAt }, org] of this.#seen) {
      run(db, "UPDATE sessions SET seen_at = ? WHERE org = ? AND id = ?", seenAt, org, id);
    }
    this.#seen.clear();
  }

  /** To be called, after {@linkcode LedgerCache.flush}, by what may change the file behind the cache's back. */
  forget(): void {
    this.#scopes.clear();
    this.forgetLeases();
    this.#forgetSessions();
  }

  /** To be called by what ends a lease that it did not take from here. */
  forgetLeases(): void {
    this.#leases = new WeakMap();
  }

  #forgetSessions(): void {
    this.#sessions.clear();
    this.#active.clear();
  }

  /** Reads a scope at the store's time `raw`; `null` when nothing was ever written for it. */
  find(
    db: DatabaseSync,
    org: string,
    kind: ScopeKind,
    id: string,
    raw: number,
  ): ScopeRow | null {
    return this.#known(org, kind, id, raw) ??
      this.#keep(org, id, findScope(db, org, kind, id, raw));
  }

  /** Reads a scope, making it when it is not there. */
  make(db: DatabaseSync, org: string, kind: ScopeKind, id: string, raw: number): ScopeRow {
    const known = this.#known(org, kind, id, raw);
    if (known !== null) return known;
    const made = makeScope(db, org, kind, id, raw);
    this.#keep(org, id, made);
    return made;
  }

  #known(org: string, kind: ScopeKind, id: string, raw: number): ScopeRow | null {
    const known = this.#scopes.get(`${kind}\n${org}\n${id}`);
    if (known === undefined) return null;
    known.now = Math.max(raw, known.clock);
    return known;
  }

  /** What a rolling window has used depends on the moment: such scopes are read and written every time. */
  #keep(org: string, id: string, scope: ScopeRow | null): ScopeRow | null {
    if (scope === null || scope.limits.some((limit) => limit.windowMs !== null)) return scope;
    scope.gathered = this.#changed;
    this.#scopes.set(`${scope.kind}\n${org}\n${id}`, scope);
    return scope;
  }

  /** Reads a session; `null` when it is not known. */
  session(db: DatabaseSync, org: string, id: string): SessionRow | null {
    const name = `${org}\n${id}`;
    const known = this.#sessions.get(name);
    if (known !== undefined) return known;
    const found = findSession(db, org, id);
    if (found !== null) this.#sessions.set(name, found);
    return found;
  }

  /** Reads the session that the active mark is on. */
  active(db: DatabaseSync, org: string, user: string): SessionRow | null {
    const name = `${org}\n${user}`;
    const known = this.#active.get(name);
    if (known !== undefined) return known;
    const found = findActive(db, org, user);
    // One object for one session, whichever way it was found.
    const one = found === null ? null : this.session(db, org, found.id);
    this.#active.set(name, one);
    return one;
  }

  /** Notes a sign of life, and moves the clock. */
  touch(db: DatabaseSync, org: string, session: SessionRow, scope: ScopeRow): void {
    tick(db, scope);
    if (session.seenAt === scope.now) return;
    session.seenAt = scope.now;
    this.#seen.set(session, org);
  }

  /** To be called around what opens or ends sessions. */
  leaveSessions(db: DatabaseSync): void {
    this.flush(db);
    this.#forgetSessions();
  }

  /** Keeps a lease that was just granted. */
  keepLease(lease: LeaseRow): void {
    this.#leases.set(lease.ref, lease);
  }

  /** An open lease, which is forgotten: it is about to end. `null`: the file knows. */
  takeLease(ref: LeaseRef): LeaseRow | null {
    const lease = this.#leases.get(ref) ?? null;
    if (lease !== null) this.#leases.delete(ref);
    return lease;
  }
}

/** Scopes that were read before, for the two verbs that every request needs. @module */
import type { DatabaseSync } from "node:sqlite";
import type { ScopeKind } from "../limits.ts";
import { findScope, makeScope, type ScopeRow } from "./sqlite_book.ts";

/** Scopes that are kept; beyond that all are forgotten. */
const MAX_SCOPES = 4096;

/**
 * Remembers scopes with their limits from one write to the next. Reserve and settle read six of them, which is half of their cost, and they
 * keep the rows that they change up to date. Any other verb makes the ledger {@linkcode ScopeCache.forget} all of them, and so does
 * everything that ends the file's epoch: another process's commit, a write that was undone.
 */
export class ScopeCache {
  readonly #scopes: Map<string, ScopeRow> = new Map();
  #epoch: object | null = null;

  /** To be called when a write begins. */
  enter(epoch: object): void {
    if (epoch === this.#epoch) return;
    this.#scopes.clear();
    this.#epoch = epoch;
  }

  /** To be called when a write begins that may change scopes behind the cache's back. */
  forget(): void {
    this.#scopes.clear();
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
    const known = this.#scopes.get(nameOf(org, kind, id));
    if (known === undefined) return null;
    known.now = Math.max(raw, known.clock);
    return known;
  }

  /** What a rolling window has used depends on the moment: such scopes are read every time. */
  #keep(org: string, id: string, scope: ScopeRow | null): ScopeRow | null {
    if (scope === null || scope.limits.some((limit) => limit.windowMs !== null)) return scope;
    if (this.#scopes.size >= MAX_SCOPES) this.#scopes.clear();
    this.#scopes.set(nameOf(org, scope.kind, id), scope);
    return scope;
  }
}

function nameOf(org: string, kind: ScopeKind, id: string): string {
  return `${kind}\n${org}\n${id}`;
}

/** What the model of the ledger keeps, and what can be read from it. @module */
import { LIVE_BUCKETS, NOTHING } from "../../limits.ts";
import type { LimitState, ScopeKind } from "../../limits.ts";
import type { LeaseRef } from "../ledger.ts";
import {
  fits,
  type ModelEvent,
  type ModelLease,
  type ModelLimit,
  type ModelScope,
  type ModelSession,
  newScope,
  stateAt,
} from "./model_books.ts";

/** Sessions, keys, the org, leases and the journal. */
export class ModelState {
  /** The store's clock. */
  now: number;
  readonly sessions: Map<string, ModelSession> = new Map();
  readonly active: Map<string, string> = new Map();
  readonly keys: Map<string, ModelScope> = new Map();
  readonly org: ModelScope = newScope("org");
  readonly leases: Map<string, ModelLease> = new Map();
  readonly journal: Map<string, ModelEvent> = new Map();

  constructor(now: number) {
    this.now = now;
  }

  /** The limits of a key; made when they are first asked for. */
  key(id: string): ModelScope {
    const scope = this.keys.get(id) ?? newScope("key");
    this.keys.set(id, scope);
    return scope;
  }

  /** The time of a scope, which never goes back. */
  timeOf(scope: ModelScope): number {
    return Math.max(scope.clock, this.now);
  }

  /** When a session ends by itself. */
  expiryOf(session: ModelSession): number {
    const { ttlMs, idleMs } = session.spec;
    return Math.min(
      ttlMs === null ? Infinity : session.createdAt + ttlMs,
      idleMs === null ? Infinity : session.seenAt + idleMs,
    );
  }

  /** Whether it has ended, one way or the other. */
  isOver(session: ModelSession): boolean {
    return session.endedAt !== null || this.timeOf(session.scope) >= this.expiryOf(session);
  }

  /** What is on a limit now. */
  state(limit: ModelLimit): LimitState {
    return stateAt(limit, this.timeOf(limit.scope));
  }

  /** A holder of limits, or nothing. */
  scope(kind: ScopeKind, id: string): ModelScope | undefined {
    if (kind === "org") return this.org;
    return kind === "key" ? this.key(id) : this.sessions.get(id)?.scope;
  }

  /** All limits that a lease is held against. */
  limitsOf(ref: LeaseRef): LimitState[] {
    return this.scopesOf(ref).flatMap((scope) => scope.limits.map((limit) => this.state(limit)));
  }

  /** Their holders: session, key, org. */
  scopesOf(ref: LeaseRef): ModelScope[] {
    const session = this.sessions.get(ref.sessionId ?? "");
    return [...(session === undefined ? [] : [session.scope]), this.key(ref.keyId), this.org];
  }

  /** The first bucket in which a window has room for what is asked. */
  freesAt(limit: ModelLimit, asked: bigint): number | null {
    const { windowMs } = limit.spec;
    if (windowMs === null) return null;
    const width = Math.ceil(windowMs / 60);
    const here = Math.floor(this.timeOf(limit.scope) / width);
    for (let bucket = here + 1; bucket <= here + LIVE_BUCKETS; bucket++) {
      const clock = limit.scope.clock;
      limit.scope.clock = Math.max(clock, bucket * width);
      const then = this.state(limit);
      limit.scope.clock = clock;
      if (fits(then, { ...NOTHING, [limit.spec.metric]: asked })) return bucket * width;
    }
    return null;
  }

  /** Moves the clock of a scope on. */
  tick(scope: ModelScope): number {
    return scope.clock = this.timeOf(scope);
  }
}

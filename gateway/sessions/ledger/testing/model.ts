/**
 * The ledger as simple as it can be said: it keeps every entry that was ever made and adds them up when asked. The adapters keep
 * sums, buckets and strings instead; they are right when no interleaving of verbs tells them from this.
 *
 * @module
 */
import { type Amounts, LIVE_BUCKETS, mapAmounts, METRICS, NOTHING } from "../../limits.ts";
import type { LimitSpec, LimitState, Metric, ScopeKind } from "../../limits.ts";
import type {
  Grant,
  LeaseRef,
  OpenSession,
  PrefixCandidate,
  RecordUsage,
  Refusal,
  ReserveInput,
  SessionSpec,
  SettleInput,
} from "../ledger.ts";

/** An amount that counts against a limit from a moment on. */
interface Entry {
  readonly at: number;
  readonly column: "charged" | "overrun";
  readonly amount: bigint;
}

interface ModelLimit {
  readonly spec: LimitSpec;
  readonly scope: ModelScope;
  value: bigint;
  /** By lease. */
  readonly holds: Map<string, bigint>;
  readonly entries: Entry[];
}

/** A holder of limits. */
export interface ModelScope {
  readonly kind: ScopeKind;
  clock: number;
  used: Amounts;
  readonly limits: ModelLimit[];
}

/** A session. */
export interface ModelSession {
  readonly id: string;
  readonly user: string;
  readonly spec: SessionSpec;
  readonly scope: ModelScope;
  readonly createdAt: number;
  seenAt: number;
  endedAt: number | null;
  memory: { hash: string; tokens: number }[];
}

/** A line of the journal. */
export interface ModelEvent {
  readonly amounts: Amounts;
  readonly overrun: Amounts;
  readonly sessionId: string | null;
  readonly keyId: string;
}

interface ModelLease {
  state: "open" | "settled" | "released" | "expired";
  readonly ref: LeaseRef;
  readonly held: Amounts;
  readonly inputTokens: number;
  readonly outputTokens: number | null;
  readonly opened: boolean;
  readonly expiresAt: number;
  /** When each scope charged it because it had expired. */
  expiredAt: Map<ModelScope, number>;
  /** Limits that were there when it expired. */
  seenByExpiry: Set<ModelLimit>;
}

/** The reference. One org. */
export class ModelLedger {
  /** The store's clock. */
  now: number;
  readonly sessions: Map<string, ModelSession> = new Map();
  readonly active: Map<string, string> = new Map();
  readonly keys: Map<string, ModelScope> = new Map();
  readonly org: ModelScope = newScope("org");
  readonly leases: Map<string, ModelLease> = new Map();
  readonly journal: Map<string, ModelEvent> = new Map();
  readonly #operations: Set<string> = new Set();

  constructor(now: number) {
    this.now = now;
  }

  key(id: string): ModelScope {
    const scope = this.keys.get(id) ?? newScope("key");
    this.keys.set(id, scope);
    return scope;
  }

  timeOf(scope: ModelScope): number {
    return Math.max(scope.clock, this.now);
  }

  expiryOf(session: ModelSession): number {
    const { ttlMs, idleMs } = session.spec;
    return Math.min(
      ttlMs === null ? Infinity : session.createdAt + ttlMs,
      idleMs === null ? Infinity : session.seenAt + idleMs,
    );
  }

  isOver(session: ModelSession): boolean {
    return session.endedAt !== null || this.timeOf(session.scope) >= this.expiryOf(session);
  }

  state(limit: ModelLimit): LimitState {
    const now = this.timeOf(limit.scope);
    const { spec } = limit;
    let charged = 0n;
    let overrun = 0n;
    for (const entry of limit.entries) {
      if (!isLive(spec, entry.at, now)) continue;
      if (entry.column === "charged") charged += entry.amount;
      else overrun += entry.amount;
    }
    let held = 0n;
    for (const amount of limit.holds.values()) held += amount;
    return { ...spec, value: limit.value, scope: limit.scope.kind, held, charged, overrun };
  }

  open(input: OpenSession): { created: boolean; ended: string | null } {
    if (this.sessions.has(input.spec.id)) return { created: false, ended: null };
    let ended: string | null = null;
    if (input.makeActive) {
      const before = this.sessions.get(this.active.get(input.user) ?? "");
      if (before !== undefined && !this.isOver(before)) {
        before.endedAt = this.timeOf(before.scope);
        ended = before.id;
      }
      this.active.set(input.user, input.spec.id);
    }
    this.#create(input.user, input.spec);
    return { created: true, ended };
  }

  #create(user: string, spec: SessionSpec): ModelSession {
    const session = draft(user, spec, this.now);
    this.sessions.set(spec.id, session);
    return session;
  }

  end(id: string): boolean | null {
    const session = this.sessions.get(id);
    if (session === undefined) return null;
    if (this.active.get(session.user) === id) this.active.delete(session.user);
    if (session.endedAt !== null) return false;
    session.endedAt = this.#tick(session.scope);
    return true;
  }

  heartbeat(id: string): boolean {
    const session = this.sessions.get(id);
    if (session === undefined) return false;
    if (!this.isOver(session)) session.seenAt = this.#tick(session.scope);
    return true;
  }

  scope(kind: ScopeKind, id: string): ModelScope | undefined {
    if (kind === "org") return this.org;
    return kind === "key" ? this.key(id) : this.sessions.get(id)?.scope;
  }

  addLimit(kind: ScopeKind, id: string, spec: LimitSpec): boolean | null {
    const scope = this.scope(kind, id);
    if (scope === undefined) return null;
    if (scope.limits.some((limit) => limit.spec.id === spec.id)) return false;
    const at = this.#tick(scope);
    const limit: ModelLimit = { spec, scope, value: spec.value, holds: new Map(), entries: [] };
    if (spec.windowMs === null) {
      const past = scope.used[spec.metric];
      const charged = past < spec.value ? past : spec.value;
      limit.entries.push({ at, column: "charged", amount: charged });
      limit.entries.push({ at, column: "overrun", amount: past - charged });
    }
    scope.limits.push(limit);
    return true;
  }

  raise(
    kind: ScopeKind,
    id: string,
    limitId: string,
    by: bigint,
    operation: string,
  ): boolean | null {
    const limit = this.scope(kind, id)?.limits.find((one) => one.spec.id === limitId);
    if (limit === undefined) return null;
    if (this.#operations.has(`${kind} ${id} ${operation}`)) return false;
    this.#operations.add(`${kind} ${id} ${operation}`);
    this.#tick(limit.scope);
    limit.value += by;
    return true;
  }

  reserve(input: ReserveInput): Grant | Refusal {
    const known = this.leases.get(input.leaseId);
    if (known?.state === "released" || known?.expiresAt === 0) {
      return { granted: false, sessionId: known.ref.sessionId, reason: "released" };
    }
    if (known !== undefined) {
      const { sessionId, keyId } = known.ref;
      const { kind } = input.session;
      const expected = input.session.kind === "id" ? input.session.id : null;
      if (
        keyId !== input.keyId || (kind === "auto" ? sessionId === null : sessionId !== expected)
      ) {
        throw new Error("lease_mismatch");
      }
      return this.#grant(known);
    }

    const { session, fresh, refusal } = this.#attach(input);
    if (refusal !== undefined) return refusal;
    const scopes = [...(session === null ? [] : [session.scope]), this.key(input.keyId), this.org];
    const refuse = (limit: ModelLimit, more: RefusedLimit): Refusal => {
      if (session !== null && !fresh && session.spec.idleMs !== null) {
        session.seenAt = this.#tick(session.scope);
      }
      const sessionId = session === null || fresh ? null : session.id;
      return { granted: false, sessionId, limit: this.state(limit), ...more };
    };

    const inForce = scopes.flatMap((scope) =>
      scope.limits.filter(({ spec }) =>
        spec.kind === "hard" && (spec.expiresAt === null || this.timeOf(scope) < spec.expiresAt)
      )
    );
    for (const limit of inForce) {
      const { metric } = limit.spec;
      if (input.rates === null && metric === "cost") {
        return refuse(limit, { reason: "price_unknown", asked: 0n, freesAt: null });
      }
      if (input.unmeterable && (metric === "cost" || metric === "tokens")) {
        return refuse(limit, { reason: "unmeterable", asked: 0n, freesAt: null });
      }
    }

    const inputTokens = inputOf(input, session?.memory ?? []);
    const ask = (output: number): Amounts => askOf(input, inputTokens, output);
    const least = ask(input.outputMin);
    const blocked = inForce.filter((limit) => !fits(this.state(limit), least));
    const hopeless = blocked.find((limit) => !fits({ ...this.state(limit), held: 0n }, least));
    const first = hopeless ?? blocked[0];
    if (first !== undefined) {
      return refuse(first, {
        reason: hopeless === undefined ? "reserved" : "exceeded",
        asked: least[first.spec.metric],
        freesAt: this.#freesAt(first, least[first.spec.metric]),
      });
    }

    let output = input.outputMin;
    let above = input.outputWanted + 1;
    while (above - output > 1) {
      const middle = Math.floor((output + above) / 2);
      if (inForce.every((limit) => fits(this.state(limit), ask(middle)))) output = middle;
      else above = middle;
    }
    if (session !== null && fresh) {
      this.sessions.set(session.id, session);
      this.active.set(input.user, session.id);
    }
    const clamped = inForce.some(({ spec }) => spec.metric === "cost" || spec.metric === "tokens");
    const lease: ModelLease = {
      state: "open",
      ref: {
        leaseId: input.leaseId,
        org: input.org,
        keyId: input.keyId,
        sessionId: session?.id ?? null,
      },
      held: ask(output),
      inputTokens,
      outputTokens: clamped ? output : null,
      opened: fresh,
      expiresAt: this.now + input.ttlMs,
      expiredAt: new Map(),
      seenByExpiry: new Set(),
    };
    this.leases.set(input.leaseId, lease);
    for (const scope of scopes) {
      this.#tick(scope);
      for (const limit of scope.limits) {
        limit.holds.set(input.leaseId, lease.held[limit.spec.metric]);
      }
    }
    if (session !== null) session.seenAt = session.scope.clock;
    return this.#grant(lease);
  }

  #attach(
    input: ReserveInput,
  ): { session: ModelSession | null; fresh: boolean; refusal?: Refusal } {
    if (input.session.kind === "none") return { session: null, fresh: false };
    let id = input.session.kind === "id" ? input.session.id : this.active.get(input.user);
    if (input.session.kind === "auto") {
      const current = id === undefined ? undefined : this.sessions.get(id);
      if (current === undefined || this.isOver(current)) {
        id = input.session.open.id;
        if (!this.sessions.has(id)) {
          return { session: draft(input.user, input.session.open, this.now), fresh: true };
        }
      }
    }
    const session = this.sessions.get(id ?? "");
    if (session !== undefined && !this.isOver(session)) return { session, fresh: false };
    const reason = session === undefined
      ? "session_unknown"
      : session.endedAt !== null
      ? "session_ended"
      : "session_expired";
    return {
      session: null,
      fresh: false,
      refusal: { granted: false, sessionId: id ?? null, reason },
    };
  }

  #grant(lease: ModelLease): Grant {
    return {
      granted: true,
      lease: lease.ref,
      opened: lease.opened,
      outputTokens: lease.outputTokens,
      inputTokens: lease.inputTokens,
      held: lease.held,
      expiresAt: lease.expiresAt,
      limits: this.limitsOf(lease.ref),
    };
  }

  limitsOf(ref: LeaseRef): LimitState[] {
    return this.#scopesOf(ref).flatMap((scope) => scope.limits.map((limit) => this.state(limit)));
  }

  #scopesOf(ref: LeaseRef): ModelScope[] {
    const session = this.sessions.get(ref.sessionId ?? "");
    return [...(session === undefined ? [] : [session.scope]), this.key(ref.keyId), this.org];
  }

  #freesAt(limit: ModelLimit, asked: bigint): number | null {
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

  settle(input: SettleInput): { already: boolean; late: boolean; actual: Amounts } {
    const lease = this.leases.get(input.lease.leaseId);
    const actual = input.actual === "held" ? lease?.held ?? NOTHING : input.actual;
    if (lease?.state === "settled") {
      const booked = this.journal.get(input.lease.leaseId)?.amounts ?? NOTHING;
      return { already: true, late: false, actual: booked };
    }
    const scopes = this.#scopesOf(input.lease);
    for (const scope of scopes) this.#tick(scope);
    const late = lease?.state !== "open";
    if (lease === undefined || lease.state === "released") this.#chargeLoosely(scopes, actual);
    else if (lease.state === "open") this.#close(lease, scopes, actual);
    else this.#correct(lease, scopes, actual);
    const session = this.sessions.get(input.lease.sessionId ?? "");
    if (session !== undefined) remember(session, input.remember);
    const granted = late && lease?.state !== "expired" ? NOTHING : lease?.held ?? NOTHING;
    this.journal.set(input.lease.leaseId, {
      amounts: actual,
      overrun: mapAmounts((metric) => positive(actual[metric] - granted[metric])),
      sessionId: input.lease.sessionId,
      keyId: input.lease.keyId,
    });
    if (lease === undefined) this.leases.set(input.lease.leaseId, stub(input.lease, "settled"));
    else lease.state = "settled";
    return { already: false, late, actual };
  }

  release(ref: LeaseRef): "released" | "settled" {
    const lease = this.leases.get(ref.leaseId);
    if (lease === undefined) {
      this.leases.set(ref.leaseId, stub(ref, "released"));
      return "released";
    }
    if (lease.state === "settled" || lease.state === "released") return lease.state;
    const scopes = this.#scopesOf(ref);
    for (const scope of scopes) this.#tick(scope);
    if (lease.state === "open") {
      for (const scope of scopes) {
        for (const limit of scope.limits) limit.holds.delete(ref.leaseId);
      }
    } else {
      this.#correct(lease, scopes, NOTHING);
      this.journal.delete(ref.leaseId);
    }
    lease.state = "released";
    return "released";
  }

  expire(): number {
    let expired = 0;
    for (const [id, lease] of this.leases) {
      if (lease.state !== "open" || lease.expiresAt > this.now) continue;
      const scopes = this.#scopesOf(lease.ref);
      for (const scope of scopes) lease.expiredAt.set(scope, this.#tick(scope));
      lease.seenByExpiry = new Set(scopes.flatMap((scope) => scope.limits));
      this.#close(lease, scopes, lease.held, true);
      this.journal.set(id, {
        amounts: lease.held,
        overrun: NOTHING,
        sessionId: lease.ref.sessionId,
        keyId: lease.ref.keyId,
      });
      lease.state = "expired";
      expired++;
    }
    return expired;
  }

  record(input: RecordUsage): boolean | null {
    const session = this.sessions.get(input.sessionId);
    if (session === undefined) return null;
    const id = `ref_${input.referenceId} ${input.sessionId}`;
    if (this.journal.has(id)) return false;
    const scopes = [session.scope, this.key(input.keyId), this.org];
    for (const scope of scopes) this.#tick(scope);
    this.#chargeLoosely(scopes, input.amounts);
    this.journal.set(id, {
      amounts: input.amounts,
      overrun: NOTHING,
      sessionId: input.sessionId,
      keyId: input.keyId,
    });
    return true;
  }

  /** Ends an open lease: what it held pays, the rest is overrun. Limits that came later take it as they can. */
  #close(lease: ModelLease, scopes: ModelScope[], actual: Amounts, keepHolds = false): void {
    for (const scope of scopes) {
      addUsed(scope, actual);
      for (const limit of scope.limits) {
        const amount = actual[limit.spec.metric];
        const held = limit.holds.get(lease.ref.leaseId);
        if (held === undefined) {
          this.#loose(limit, amount);
          continue;
        }
        if (keepHolds) limit.holds.set(lease.ref.leaseId, 0n);
        else limit.holds.delete(lease.ref.leaseId);
        const paid = amount < held ? amount : held;
        limit.entries.push({ at: scope.clock, column: "charged", amount: paid });
        limit.entries.push({ at: scope.clock, column: "overrun", amount: amount - paid });
      }
    }
  }

  /** Replaces what expiry charged by what was used. */
  #correct(lease: ModelLease, scopes: ModelScope[], actual: Amounts): void {
    for (const scope of scopes) {
      addUsed(scope, mapAmounts((metric) => actual[metric] - lease.held[metric]));
      const then = lease.expiredAt.get(scope) ?? scope.clock;
      for (const limit of scope.limits) {
        const more = actual[limit.spec.metric] - lease.held[limit.spec.metric];
        if (limit.holds.has(lease.ref.leaseId)) {
          if (more > 0n) {
            limit.entries.push({ at: scope.clock, column: "overrun", amount: more });
          } else this.#refund(limit, then, 0n, -more);
          limit.holds.delete(lease.ref.leaseId);
        } else if (more > 0n) {
          this.#loose(limit, more);
        } else if (limit.spec.windowMs === null || lease.seenByExpiry.has(limit)) {
          this.#refund(limit, then, this.#overrunAt(limit, then), -more);
        }
      }
    }
  }

  #overrunAt(limit: ModelLimit, at: number): bigint {
    const bucket = (time: number) =>
      limit.spec.windowMs === null ? 0 : Math.floor(time / Math.ceil(limit.spec.windowMs / 60));
    let sum = 0n;
    for (const entry of limit.entries) {
      if (entry.column === "overrun" && bucket(entry.at) === bucket(at)) sum += entry.amount;
    }
    return sum;
  }

  #refund(limit: ModelLimit, at: number, fromOverrun: bigint, amount: bigint): void {
    const first = fromOverrun < amount ? fromOverrun : amount;
    limit.entries.push({ at, column: "overrun", amount: -first });
    limit.entries.push({ at, column: "charged", amount: first - amount });
  }

  #chargeLoosely(scopes: ModelScope[], actual: Amounts): void {
    for (const scope of scopes) {
      addUsed(scope, actual);
      for (const limit of scope.limits) this.#loose(limit, actual[limit.spec.metric]);
    }
  }

  /** As a lease of just this size: charged as far as it would have been granted. */
  #loose(limit: ModelLimit, amount: bigint): void {
    const { value, charged, overrun, held } = this.state(limit);
    const room = positive(value - charged - overrun - held);
    const paid = amount < room ? amount : room;
    const at = limit.scope.clock;
    limit.entries.push({ at, column: "charged", amount: paid });
    limit.entries.push({ at, column: "overrun", amount: amount - paid });
  }

  #tick(scope: ModelScope): number {
    return scope.clock = this.timeOf(scope);
  }
}

type RefusedLimit = {
  reason: "exceeded" | "reserved" | "price_unknown" | "unmeterable";
  asked: bigint;
  freesAt: number | null;
};

function newScope(kind: ScopeKind): ModelScope {
  return { kind, clock: 0, used: NOTHING, limits: [] };
}

function draft(user: string, spec: SessionSpec, now: number): ModelSession {
  const scope = newScope("session");
  scope.clock = now;
  for (const limit of spec.limits) {
    scope.limits.push({
      spec: limit,
      scope,
      value: limit.value,
      holds: new Map(),
      entries: [],
    });
  }
  return {
    id: spec.id,
    user,
    spec,
    scope,
    createdAt: now,
    seenAt: now,
    endedAt: null,
    memory: [],
  };
}

function stub(ref: LeaseRef, state: "settled" | "released"): ModelLease {
  return {
    state,
    ref,
    held: NOTHING,
    inputTokens: 0,
    outputTokens: null,
    opened: false,
    expiresAt: 0,
    expiredAt: new Map(),
    seenByExpiry: new Set(),
  };
}

function addUsed(scope: ModelScope, more: Amounts): void {
  scope.used = mapAmounts((metric) => scope.used[metric] + more[metric]);
}

function isLive(spec: LimitSpec, at: number, now: number): boolean {
  if (spec.windowMs === null) return true;
  const width = Math.ceil(spec.windowMs / 60);
  return Math.floor(at / width) >= Math.floor(now / width) - 60;
}

function inputOf(
  input: { inputBound: number; prefixes: readonly PrefixCandidate[] },
  memory: readonly { hash: string; tokens: number }[],
): number {
  for (const { hash, rest } of input.prefixes) {
    const known = memory.find((one) => one.hash === hash);
    if (known !== undefined) return Math.min(input.inputBound, known.tokens + rest);
  }
  return input.inputBound;
}

function askOf(input: ReserveInput, inputTokens: number, output: number): Amounts {
  const outputs = BigInt(output) * BigInt(input.outputTimes ?? 1);
  let rate = input.rates?.[0] ?? { aboveInput: 0, input: 0n, output: 0n };
  for (const tier of input.rates ?? []) if (inputTokens > tier.aboveInput) rate = tier;
  const exact = BigInt(inputTokens) * rate.input + outputs * rate.output;
  const cost = exact / 1_000_000n + (exact % 1_000_000n === 0n ? 0n : 1n) + (input.fees ?? 0n);
  return {
    tokens: BigInt(inputTokens) + outputs,
    cost,
    gpu_time: input.gpuTime ?? 0n,
    api_calls: input.apiCalls ?? 1n,
  };
}

function fits(limit: LimitState, ask: Amounts): boolean {
  const used = limit.charged + limit.overrun;
  if (limit.metric === "gpu_time" && used >= limit.value) return false;
  const asked = ask[limit.metric as Metric];
  return asked === 0n || used + limit.held + asked <= limit.value;
}

function remember(session: ModelSession, prefixes: SettleInput["remember"]): void {
  for (const { hash, tokens } of prefixes) {
    const known = session.memory.find((one) => one.hash === hash);
    if (known !== undefined) known.tokens = tokens;
    else session.memory = [...session.memory, { hash, tokens }].slice(-32);
  }
}

function positive(amount: bigint): bigint {
  return amount > 0n ? amount : 0n;
}

/** Sum over the lines of the journal that `pick` wants: what a scope's `used` must equal. */
export function journalTotal(model: ModelLedger, pick: (event: ModelEvent) => boolean): Amounts {
  const total: Record<Metric, bigint> = { ...NOTHING };
  for (const event of model.journal.values()) {
    if (!pick(event)) continue;
    for (const metric of METRICS) total[metric] += event.amounts[metric];
  }
  return total;
}

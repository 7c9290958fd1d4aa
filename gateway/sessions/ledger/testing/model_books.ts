/** The books of the model: entries, and what they come to. @module */
import { type Amounts, mapAmounts, METRICS, NOTHING } from "../../limits.ts";
import type { LimitSpec, LimitState, Metric, ScopeKind } from "../../limits.ts";
import type {
  LeaseRef,
  PrefixCandidate,
  ReserveInput,
  SessionSpec,
  SettleInput,
} from "../ledger.ts";

/** An amount that counts against a limit from a moment on. */
export interface Entry {
  readonly at: number;
  readonly column: "charged" | "overrun";
  readonly amount: bigint;
}

/** A limit and all that was ever booked on it. */
export interface ModelLimit {
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

/** A lease. */
export interface ModelLease {
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

/** What counts against a limit at a moment: every entry that is still live, and every hold. */
export function stateAt(limit: ModelLimit, now: number): LimitState {
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

/** The overrun that was booked in the bucket of a moment. */
export function overrunAt(limit: ModelLimit, at: number): bigint {
  const bucket = (time: number) =>
    limit.spec.windowMs === null ? 0 : Math.floor(time / Math.ceil(limit.spec.windowMs / 60));
  let sum = 0n;
  for (const entry of limit.entries) {
    if (entry.column === "overrun" && bucket(entry.at) === bucket(at)) sum += entry.amount;
  }
  return sum;
}

/** Takes an amount back, out of overrun first as far as that may go. */
export function refund(limit: ModelLimit, at: number, fromOverrun: bigint, amount: bigint): void {
  const first = fromOverrun < amount ? fromOverrun : amount;
  limit.entries.push({ at, column: "overrun", amount: -first });
  limit.entries.push({ at, column: "charged", amount: first - amount });
}

/** Ends an open lease: what it held pays, the rest is overrun. Limits that came later take it as they can. */
export function close(
  lease: ModelLease,
  scopes: ModelScope[],
  actual: Amounts,
  keepHolds = false,
): void {
  for (const scope of scopes) {
    addUsed(scope, actual);
    for (const limit of scope.limits) {
      const amount = actual[limit.spec.metric];
      const held = limit.holds.get(lease.ref.leaseId);
      if (held === undefined) {
        loose(limit, amount);
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
export function correct(lease: ModelLease, scopes: ModelScope[], actual: Amounts): void {
  for (const scope of scopes) {
    addUsed(scope, mapAmounts((metric) => actual[metric] - lease.held[metric]));
    const then = lease.expiredAt.get(scope) ?? scope.clock;
    for (const limit of scope.limits) {
      const more = actual[limit.spec.metric] - lease.held[limit.spec.metric];
      if (limit.holds.has(lease.ref.leaseId)) {
        if (more > 0n) {
          limit.entries.push({ at: scope.clock, column: "overrun", amount: more });
        } else refund(limit, then, 0n, -more);
        limit.holds.delete(lease.ref.leaseId);
      } else if (more > 0n) {
        loose(limit, more);
      } else if (limit.spec.windowMs === null || lease.seenByExpiry.has(limit)) {
        refund(limit, then, overrunAt(limit, then), -more);
      }
    }
  }
}

/** Counts usage that no lease was held for. */
export function chargeLoosely(scopes: ModelScope[], actual: Amounts): void {
  for (const scope of scopes) {
    addUsed(scope, actual);
    for (const limit of scope.limits) loose(limit, actual[limit.spec.metric]);
  }
}

/** As a lease of just this size: charged as far as it would have been granted. */
export function loose(limit: ModelLimit, amount: bigint): void {
  const { value, charged, overrun, held } = stateAt(limit, limit.scope.clock);
  const room = positive(value - charged - overrun - held);
  const paid = amount < room ? amount : room;
  const at = limit.scope.clock;
  limit.entries.push({ at, column: "charged", amount: paid });
  limit.entries.push({ at, column: "overrun", amount: amount - paid });
}

/** A scope that nothing was booked on. */
export function newScope(kind: ScopeKind): ModelScope {
  return { kind, clock: 0, used: NOTHING, limits: [] };
}

/** A session that is not opened yet. */
export function draft(user: string, spec: SessionSpec, now: number): ModelSession {
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

/** A lease that was never granted. */
export function stub(ref: LeaseRef, state: "settled" | "released"): ModelLease {
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

/** Counts usage. */
export function addUsed(scope: ModelScope, more: Amounts): void {
  scope.used = mapAmounts((metric) => scope.used[metric] + more[metric]);
}

/** Whether a window still counts a moment. */
export function isLive(spec: LimitSpec, at: number, now: number): boolean {
  if (spec.windowMs === null) return true;
  const width = Math.ceil(spec.windowMs / 60);
  return Math.floor(at / width) >= Math.floor(now / width) - 60;
}

/** The bound of the input. */
export function inputOf(
  input: { inputBound: number; prefixes: readonly PrefixCandidate[] },
  memory: readonly { hash: string; tokens: number }[],
): number {
  for (const { hash, rest } of input.prefixes) {
    const known = memory.find((one) => one.hash === hash);
    if (known !== undefined) return Math.min(input.inputBound, known.tokens + rest);
  }
  return input.inputBound;
}

/** What a request with so much output takes. */
export function askOf(input: ReserveInput, inputTokens: number, output: number): Amounts {
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

/** Whether a limit has room. */
export function fits(limit: LimitState, ask: Amounts): boolean {
  const used = limit.charged + limit.overrun;
  if (limit.metric === "gpu_time" && used >= limit.value) return false;
  const asked = ask[limit.metric as Metric];
  return asked === 0n || used + limit.held + asked <= limit.value;
}

/** Keeps the last 32 prefixes. */
export function remember(session: ModelSession, prefixes: SettleInput["remember"]): void {
  for (const { hash, tokens } of prefixes) {
    const known = session.memory.find((one) => one.hash === hash);
    if (known !== undefined) known.tokens = tokens;
    else session.memory = [...session.memory, { hash, tokens }].slice(-32);
  }
}

/** Nothing below zero. */
export function positive(amount: bigint): bigint {
  return amount > 0n ? amount : 0n;
}

/** Sum over the lines of the journal that `pick` wants: what a scope's `used` must equal. */
export function journalTotal(
  journal: Iterable<ModelEvent>,
  pick: (event: ModelEvent) => boolean,
): Amounts {
  const total: Record<Metric, bigint> = { ...NOTHING };
  for (const event of journal) {
    if (!pick(event)) continue;
    for (const metric of METRICS) total[metric] += event.amounts[metric];
  }
  return total;
}

/**
 * Random interleavings of the ledger's verbs, run on an adapter and on the model side by side. A crash between two steps is a step
 * that never comes; a client that re-sends is a step that comes twice; a late message is a step that comes after others.
 *
 * @module
 */
import { SynthError } from "@synth/core";
import { type Amounts, type LimitState, METRICS, type ScopeKind, used } from "../../limits.ts";
import type { Grant, LeaseRef, Refusal, SessionLedger } from "../ledger.ts";
import { ModelLedger } from "./model.ts";
import { journalTotal } from "./model_books.ts";
import { NO_DETAIL } from "./samples.ts";
import {
  attachOf,
  leaseId,
  limitOf,
  RATES,
  sessionId,
  SESSIONS,
  specOf,
  START,
  type Step,
} from "./steps.ts";

/** What a run needs of the adapter's side. */
export interface Bench {
  readonly ledger: SessionLedger;
  /** Sets the store's clock. */
  setTime(ms: number): void;
  /** An org that nothing was written for. */
  freshOrg(): string;
}

/** Runs the steps on both. @throws {Error} where they differ or a law is broken */
export async function runSteps(
  bench: Bench,
  all: readonly Step[],
  everyStep = true,
): Promise<void> {
  const model = new ModelLedger(START);
  const run = new Run(bench, model, bench.freshOrg());
  bench.setTime(START);
  for (const [index, step] of all.entries()) {
    try {
      await run.step(step);
      run.checkLaws();
      if (everyStep || index === all.length - 1) await run.compareScopes();
    } catch (error) {
      const before = all.slice(0, index + 1).map((one) => JSON.stringify(one)).join("\n  ");
      throw new Error(`Step ${index}: ${(error as Error).message}\n  ${before}`, { cause: error });
    }
  }
}

class Run {
  readonly #refs: Map<number, LeaseRef> = new Map();

  constructor(readonly bench: Bench, readonly model: ModelLedger, readonly org: string) {}

  async step(step: Step): Promise<void> {
    const { model, org } = this;
    const { ledger } = this.bench;
    switch (step.do) {
      case "time":
        model.now += step.ms;
        return this.bench.setTime(model.now);
      case "open": {
        const spec = specOf(step.session, step.kind);
        const user = `user${step.user}`;
        const there = model.sessions.get(spec.id);
        // An id that is another session's is a conflict: the contract test's business.
        if (there !== undefined && (there.user !== user || there.spec.type !== spec.type)) return;
        const input = { org, user, keyId: "key0", makeActive: step.active, spec };
        const { created, ended } = await ledger.openSession(input);
        return same("open", { created, ended }, model.open(input));
      }
      case "end": {
        const done = await ledger.endSession(org, sessionId(step.session));
        return same("end", done?.changed ?? null, model.end(sessionId(step.session)));
      }
      case "heartbeat": {
        const found = await ledger.heartbeat(org, sessionId(step.session));
        return same("heartbeat", found !== null, model.heartbeat(sessionId(step.session)));
      }
      case "limit": {
        const { kind, id } = this.#scope(step.scope);
        const spec = limitOf(`x${step.id}`, step.kind, model.now);
        const done = await ledger.addLimit({ org, kind, id }, spec);
        return same("limit", done?.changed ?? null, model.addLimit(kind, id, spec));
      }
      case "raise": {
        const { kind, id } = this.#scope(step.scope);
        const by = BigInt(step.by);
        const operationId = `op${step.operation}`;
        const limitId = `x${step.id}`;
        const done = await ledger.raiseLimit({ org, kind, id }, { limitId, by, operationId })
          .then((raised) => raised?.changed ?? null, conflictOf);
        return same("raise", done, model.raise(kind, id, limitId, by, operationId));
      }
      case "reserve":
        return await this.#reserve(step);
      case "release": {
        const ref = this.#ref(step.lease);
        const { state } = await ledger.release(ref);
        return same("release", state, model.release(ref));
      }
      case "settle": {
        const lease = this.#ref(step.lease);
        const input = {
          lease,
          actual: actualOf(model, lease, step.share),
          detail: NO_DETAIL,
          remember: step.prefix > 34
            ? []
            : [{ hash: `p${step.prefix}`, tokens: 10 + step.prefix * 3 }],
        };
        const { already, late, actual, limits } = await ledger.settle(input);
        const expected = model.settle(input);
        same("settle", { already, late, actual }, expected);
        return same("settled limits", limits.map(show), model.limitsOf(lease).map(show));
      }
      case "expire": {
        const { expired } = await ledger.expireLeases(org);
        return same("expire", expired, model.expire());
      }
      case "record": {
        const amount = BigInt(step.amount);
        const input = {
          org,
          sessionId: sessionId(step.session),
          user: "user0",
          keyId: `key${step.key}`,
          referenceId: `ref${step.reference}`,
          referenceType: "custom",
          amounts: { tokens: amount, cost: amount * 7n, gpu_time: amount / 2n, api_calls: 1n },
          metadata: {},
        };
        const done = await ledger.recordUsage(input);
        return same("record", done?.changed ?? null, model.record(input));
      }
    }
  }

  async #reserve(step: Extract<Step, { do: "reserve" }>): Promise<void> {
    const { model, org } = this;
    const known = model.leases.has(leaseId(step.lease));
    const input = {
      leaseId: leaseId(step.lease),
      org,
      user: `user${step.user}`,
      keyId: `key${step.key}`,
      session: attachOf(step.attach),
      model: "m",
      priceVersion: "v1",
      inputBound: step.input,
      prefixes: step.prefixes.map((n) => ({ hash: `p${n}`, rest: n * 2 })),
      outputWanted: Math.max(step.wanted, step.min),
      outputMin: step.min,
      outputTimes: step.times,
      rates: RATES[step.price] ?? null,
      fees: BigInt(step.fees > 20 ? step.fees : 0),
      gpuTime: step.extra === 7 ? 30n : 0n,
      apiCalls: step.extra === 8 ? 0n : 1n,
      unmeterable: step.extra === 9,
      ttlMs: step.ttl,
    };
    const real = await this.bench.ledger.reserve(input).catch((error) => error);
    let expected: Grant | Refusal;
    try {
      expected = model.reserve(input);
    } catch (error) {
      return same("reserve", real instanceof SynthError && real.code, (error as Error).message);
    }
    if (real instanceof Error) throw real;
    same("reserve", showOutcome(real), showOutcome(expected));
    if (!known && !this.#refs.has(step.lease)) {
      this.#refs.set(step.lease, {
        leaseId: input.leaseId,
        org,
        keyId: input.keyId,
        sessionId: real.granted ? real.lease.sessionId : null,
      });
    }
    if (real.granted) {
      this.#refs.set(step.lease, real.lease);
      if (!known) checkLaw2(real, model);
    }
  }

  /** A lease that was never granted is settled and released as well: its reserve may be late. */
  #ref(lease: number): LeaseRef {
    const known = this.model.leases.get(leaseId(lease))?.ref ?? this.#refs.get(lease);
    return known ?? { leaseId: leaseId(lease), org: this.org, keyId: "key0", sessionId: null };
  }

  #scope(index: number): { kind: ScopeKind; id: string } {
    if (index < SESSIONS) return { kind: "session", id: sessionId(index) };
    return index === SESSIONS + 2
      ? { kind: "org", id: this.org }
      : { kind: "key", id: `key${index - SESSIONS}` };
  }

  checkLaws(): void {
    const { model } = this;
    const holders = [
      ...[...model.sessions.values()].map(({ scope, id }) => ({
        scope,
        total: journalTotal(model.journal.values(), (event) => event.sessionId === id),
      })),
      ...[...model.keys].map(([id, scope]) => ({
        scope,
        total: journalTotal(model.journal.values(), (event) => event.keyId === id),
      })),
      { scope: model.org, total: journalTotal(model.journal.values(), () => true) },
    ];
    for (const { scope, total } of holders) {
      same("law 3: scope", scope.used, total);
      for (const one of scope.limits) {
        const limit = model.state(one);
        if (limit.kind === "hard" && isInForce(limit, model.timeOf(scope))) {
          const sum = limit.charged + limit.held;
          if (sum > limit.value) throw new Error(`law 1: ${show(limit)}`);
        }
        if (limit.windowMs === null && used(limit) !== total[limit.metric]) {
          throw new Error(`law 3: ${show(limit)} is not ${total[limit.metric]}`);
        }
        if (limit.held < 0n || limit.charged < 0n || limit.overrun < 0n) {
          throw new Error(`negative: ${show(limit)}`);
        }
      }
    }
  }

  async compareScopes(): Promise<void> {
    const { model, org } = this;
    for (let index = 0; index < SESSIONS + 3; index++) {
      const { kind, id } = this.#scope(index);
      const real = await this.bench.ledger.scope({ org, kind, id });
      const scope = model.scope(kind, id);
      if (scope === undefined) {
        same(`${kind} ${id}`, real, null);
        continue;
      }
      same(`${kind} ${id} used`, real?.used, scope.used);
      const limits = scope.limits.map((limit) => show(model.state(limit)));
      same(`${kind} ${id} limits`, real?.limits.map(show), limits);
    }
    for (const user of ["user0", "user1"]) {
      const real = await this.bench.ledger.activeSession(org, user);
      const active = model.sessions.get(model.active.get(user) ?? "");
      const expected = active === undefined || model.isOver(active) ? null : active;
      same(`active of ${user}`, real?.id ?? null, expected?.id ?? null);
      if (expected !== null) same("seen", real?.seenAt, expected.seenAt);
    }
    const events = await this.bench.ledger.listUsage(org, { limit: 1000 });
    const journal = [...model.journal.values()];
    same(
      "journal",
      events.map((one) => lineOf(one.amounts, one.overrun)).sort(),
      journal.map((one) => lineOf(one.amounts, one.overrun)).sort(),
    );
  }
}

/** Every hard limit that the lease asks anything of still has room for all that is held and used. */
function checkLaw2(grant: Grant, model: ModelLedger): void {
  for (const limit of grant.limits) {
    if (limit.kind !== "hard" || grant.held[limit.metric] === 0n) continue;
    const { keyId, sessionId } = grant.lease;
    const id = limit.scope === "key" ? keyId : sessionId ?? "";
    const scope = model.scope(limit.scope, id);
    if (scope === undefined || !isInForce(limit, model.timeOf(scope))) continue;
    if (used(limit) + limit.held > limit.value) throw new Error(`law 2: ${show(limit)}`);
  }
}

function isInForce(limit: LimitState, now: number): boolean {
  return limit.expiresAt === null || now < limit.expiresAt;
}

/** From nothing over less, exactly and more than was held to "whatever was held". */
function actualOf(model: ModelLedger, ref: LeaseRef, share: number): Amounts | "held" {
  if (share === 12) return "held";
  const held = model.leases.get(ref.leaseId)?.held;
  const part = (amount: bigint) => share < 9 ? amount * BigInt(share) / 8n : amount * 3n + 5n;
  return {
    tokens: part(held?.tokens ?? 40n),
    cost: part(held?.cost ?? 200n),
    gpu_time: part(held?.gpu_time ?? 0n),
    api_calls: share === 0 ? 0n : 1n,
  };
}

function show(limit: LimitState): string {
  const { scope, id, metric, kind, value, windowMs, warnPpm, expiresAt } = limit;
  const sums = `held ${limit.held} charged ${limit.charged} overrun ${limit.overrun}`;
  return `${scope} ${id} ${kind} ${metric} ${value} ${windowMs} ${warnPpm} ${expiresAt}: ${sums}`;
}

function showOutcome(outcome: Grant | Refusal): unknown {
  if (!outcome.granted) {
    const { sessionId, reason } = outcome;
    if (!("limit" in outcome)) return { sessionId, reason };
    const { asked, freesAt } = outcome;
    return { sessionId, reason, limit: show(outcome.limit), asked, freesAt };
  }
  const { lease, opened, outputTokens, inputTokens, held, expiresAt } = outcome;
  const limits = outcome.limits.map(show);
  return { lease, opened, outputTokens, inputTokens, held, expiresAt, limits };
}

function lineOf(...amounts: readonly Readonly<Record<string, bigint>>[]): string {
  return amounts.map((one) => METRICS.map((metric) => one[metric]).join(" ")).join(" over ");
}

function same(what: string, real: unknown, expected: unknown): void {
  const [left, right] = [text(real), text(expected)];
  if (left !== right) throw new Error(`${what}\n  adapter ${left}\n  model   ${right}`);
}

function text(value: unknown): string {
  return JSON.stringify(value, (_, one) => {
    if (typeof one === "bigint") return `${one}n`;
    if (one === null || typeof one !== "object" || Array.isArray(one)) return one;
    return Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1));
  }) ?? "undefined";
}

function conflictOf(error: unknown): "conflict" {
  if (error instanceof SynthError && error.code === "idempotency_conflict") return "conflict";
  throw error;
}

/**
 * The ledger as simple as it can be said: it keeps every entry that was ever made and adds them up when asked. The adapters keep
 * sums, buckets and strings instead; they are right when no interleaving of verbs tells them from this.
 *
 * @module
 */
import { type Amounts, mapAmounts, NOTHING } from "../../limits.ts";
import type { LimitSpec, ScopeKind } from "../../limits.ts";
import type {
  Grant,
  LeaseRef,
  OpenSession,
  RecordUsage,
  Refusal,
  ReserveInput,
  SessionSpec,
  SettleInput,
} from "../ledger.ts";
import {
  askOf,
  chargeLoosely,
  close,
  correct,
  draft,
  fits,
  inputOf,
  type ModelLease,
  type ModelLimit,
  type ModelSession,
  positive,
  remember,
  stub,
} from "./model_books.ts";
import { ModelState } from "./model_state.ts";

/** The reference. One org. */
export class ModelLedger extends ModelState {
  readonly #operations: Map<string, string> = new Map();

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
    session.endedAt = this.tick(session.scope);
    return true;
  }

  heartbeat(id: string): boolean {
    const session = this.sessions.get(id);
    if (session === undefined) return false;
    if (!this.isOver(session)) session.seenAt = this.tick(session.scope);
    return true;
  }

  addLimit(kind: ScopeKind, id: string, spec: LimitSpec): boolean | null {
    const scope = this.scope(kind, id);
    if (scope === undefined) return null;
    if (scope.limits.some((limit) => limit.spec.id === spec.id)) return false;
    const at = this.tick(scope);
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
  ): boolean | "conflict" | null {
    const limit = this.scope(kind, id)?.limits.find((one) => one.spec.id === limitId);
    if (limit === undefined) return null;
    const done = this.#operations.get(`${kind} ${id} ${operation}`);
    if (done !== undefined) return done === `${limitId} ${by}` ? false : "conflict";
    this.#operations.set(`${kind} ${id} ${operation}`, `${limitId} ${by}`);
    this.tick(limit.scope);
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
        session.seenAt = this.tick(session.scope);
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
      const free = input.rates?.every((rate) => rate.input + rate.output === 0n) &&
        (input.fees ?? 0n) === 0n;
      if (input.unmeterable && (metric === "tokens" || (metric === "cost" && !free))) {
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
        freesAt: this.freesAt(first, least[first.spec.metric]),
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
      this.tick(scope);
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
      ...(lease.state === "open" ? {} : { ended: true as const }),
      outputTokens: lease.outputTokens,
      inputTokens: lease.inputTokens,
      held: lease.held,
      expiresAt: lease.expiresAt,
      limits: this.limitsOf(lease.ref),
    };
  }

  settle(input: SettleInput): { already: boolean; late: boolean; actual: Amounts } {
    const lease = this.leases.get(input.lease.leaseId);
    const actual = input.actual === "held" ? lease?.held ?? NOTHING : input.actual;
    if (lease?.state === "settled") {
      const booked = this.journal.get(input.lease.leaseId)?.amounts ?? NOTHING;
      return { already: true, late: false, actual: booked };
    }
    const scopes = this.scopesOf(input.lease);
    for (const scope of scopes) this.tick(scope);
    const late = lease?.state !== "open";
    if (lease === undefined || lease.state === "released") chargeLoosely(scopes, actual);
    else if (lease.state === "open") close(lease, scopes, actual);
    else correct(lease, scopes, actual);
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
    const scopes = this.scopesOf(ref);
    for (const scope of scopes) this.tick(scope);
    if (lease.state === "open") {
      for (const scope of scopes) {
        for (const limit of scope.limits) limit.holds.delete(ref.leaseId);
      }
    } else {
      correct(lease, scopes, NOTHING);
      this.journal.delete(ref.leaseId);
    }
    lease.state = "released";
    return "released";
  }

  expire(): number {
    let expired = 0;
    for (const [id, lease] of this.leases) {
      if (lease.state !== "open" || lease.expiresAt > this.now) continue;
      const scopes = this.scopesOf(lease.ref);
      for (const scope of scopes) lease.expiredAt.set(scope, this.tick(scope));
      lease.seenByExpiry = new Set(scopes.flatMap((scope) => scope.limits));
      close(lease, scopes, lease.held, true);
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
    for (const scope of scopes) this.tick(scope);
    chargeLoosely(scopes, input.amounts);
    this.journal.set(id, {
      amounts: input.amounts,
      overrun: NOTHING,
      sessionId: input.sessionId,
      keyId: input.keyId,
    });
    return true;
  }
}

type RefusedLimit = {
  reason: "exceeded" | "reserved" | "price_unknown" | "unmeterable";
  asked: bigint;
  freesAt: number | null;
};

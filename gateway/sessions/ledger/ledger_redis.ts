/**
 * The ledger in Redis, over either transport: any number of machines, one script a verb.
 *
 * ```ts
 * const ledger = new RedisLedger(new RespTransport({ url: "redis://localhost:6379/0" }));
 * ```
 *
 * @module
 */
import { SynthError } from "@synth/core";
import type { RedisPort, RedisReply, RedisScript } from "@synth/core/storage";
import { MAX_LIMIT, NOTHING } from "../limits.ts";
import type { LimitSpec, LimitState, ScopeRef } from "../limits.ts";
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
  leaseNotFound,
  limitTooLarge,
  mismatch,
  otherRaise,
  tooManyLimits,
  usageTooLarge,
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
import { MAX_LIMITS, MAX_USED } from "./ledger.ts";
import * as codec from "./redis_codec.ts";
import { list, word } from "./redis_codec.ts";
import { finishKeys, LedgerKeys, reserveKeys } from "./redis_keys.ts";
import { reserveScript } from "./redis_reserve_script.ts";
import {
  addLimitScript,
  endScript,
  heartbeatScript,
  openScript,
  raiseScript,
  scopeScript,
  viewScript,
} from "./redis_session_scripts.ts";
import { dueScript, finishScript, recordScript } from "./redis_settle_scripts.ts";
import { DEFAULT_RETENTION, type Retention } from "./retention.ts";
import { conflict, matches, sameSpec } from "./session_spec.ts";

/** How the ledger uses its Redis. */
export interface RedisLedgerOptions {
  retention?: Partial<Retention>;
  /** Replaces the server's clock in a test: milliseconds since the epoch. */
  now?: () => number;
}

/** Active sessions that are remembered, to name the right keys at once. */
const MAX_HINTS = 10_000;
/** Rounds until the keys of a script are the right ones: each means that another session became active meanwhile. */
const MAX_MOVES = 8;

/** {@linkcode SessionLedger} over a {@linkcode RedisPort}. */
export class RedisLedger implements SessionLedger {
  readonly #redis: RedisPort;
  readonly #retention: Retention;
  readonly #now: (() => number) | undefined;
  /** By org and user: the session that was active when last seen. A wrong one costs a round trip. */
  readonly #hints: Map<string, string> = new Map();

  constructor(redis: RedisPort, options: RedisLedgerOptions = {}) {
    this.#redis = redis;
    this.#retention = { ...DEFAULT_RETENTION, ...options.retention };
    this.#now = options.now;
  }

  async #run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<RedisReply[]> {
    const time = this.#now === undefined ? "" : String(this.#now());
    return list(await this.#redis.script(script, keys, [time, ...args]));
  }

  #hint(org: string, user: string): string {
    return this.#hints.get(`${org}\n${user}`) ?? "";
  }

  #noteHint(org: string, user: string, id: string): void {
    const key = `${org}\n${user}`;
    this.#hints.delete(key);
    this.#hints.set(key, id);
    if (this.#hints.size <= MAX_HINTS) return;
    for (const oldest of this.#hints.keys()) {
      this.#hints.delete(oldest);
      break;
    }
  }

  get #sessionMs(): string {
    return String(this.#retention.sessionMs);
  }

  async openSession(input: OpenSession): Promise<OpenedSession> {
    checkOpen(input);
    const { org, user, keyId, spec } = input;
    const keys = new LedgerKeys(org);
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      const hint = this.#hint(org, user);
      const before = hint === "" || hint === spec.id ? [] : [keys.session(hint)];
      const reply = await this.#run(
        openScript,
        [
          keys.session(spec.id),
          keys.sessions,
          ...(input.makeActive ? [keys.active(user), ...before] : []),
        ],
        [this.#sessionMs, hint, ...codec.sessionArgs(spec, user, keyId)],
      );
      if (reply[0] === "move") {
        this.#noteHint(org, user, word(reply[1]));
        continue;
      }
      const view = list(reply[1]);
      if (reply[0] === "there" && (view[0] !== user || !sameSpec(word(view[2]), spec))) {
        throw conflict(spec.id);
      }
      const session = codec.sessionOf(org, spec.id, view);
      if (session.isActive) this.#noteHint(org, user, spec.id);
      const created = reply[0] === "made";
      return { session, created, ended: created ? word(reply[2]) || null : null };
    }
    throw restless();
  }

  async #views(org: string, ids: readonly string[]): Promise<(Session | null)[]> {
    if (ids.length === 0) return [];
    const keys = new LedgerKeys(org);
    const views = await this.#run(viewScript, ids.map((id) => keys.session(id)), []);
    return ids.map((id, index) =>
      views[index] === "" ? null : codec.sessionOf(org, id, views[index])
    );
  }

  async activeSession(org: string, user: string): Promise<Session | null> {
    const [id] = await this.#redis.pipeline([["GET", new LedgerKeys(org).active(user)]]);
    if (typeof id !== "string") return null;
    const session = (await this.#views(org, [id]))[0];
    if (!session?.isActive) return null;
    this.#noteHint(org, user, id);
    return session;
  }

  async getSession(org: string, id: string): Promise<Session | null> {
    return (await this.#views(org, [id]))[0] ?? null;
  }

  async listSessions(org: string, query: SessionQuery = {}): Promise<Session[]> {
    const { limit = 100, offset = 0 } = query;
    checkPage(limit, offset);
    const index = new LedgerKeys(org).sessions;
    const found: Session[] = [];
    let skipped = 0;
    for (let from = 0; found.length < limit; from += 100) {
      const range = ["ZREVRANGE", index, String(from), String(from + 99)];
      const ids = list((await this.#redis.pipeline([range]))[0]).map(word);
      for (const session of await this.#views(org, ids)) {
        // What is past its retention stays in the index until it is pushed out.
        if (session === null || !matches(session, query)) continue;
        if (skipped++ >= offset && found.length < limit) found.push(session);
      }
      if (ids.length < 100) break;
    }
    return found;
  }

  async endSession(org: string, id: string): Promise<Changed<Session> | null> {
    const session = await this.getSession(org, id);
    if (session === null) return null;
    const keys = new LedgerKeys(org);
    const reply = await this.#run(
      endScript,
      [keys.session(id), keys.active(session.user)],
      [this.#sessionMs, id],
    );
    if (reply[0] === "unknown") return null;
    return { value: codec.sessionOf(org, id, reply[1]), changed: reply[0] === "made" };
  }

  async heartbeat(org: string, id: string): Promise<Session | null> {
    const keys = new LedgerKeys(org);
    const reply = await this.#run(heartbeatScript, [keys.session(id)], [this.#sessionMs]);
    return reply[0] === "unknown" ? null : codec.sessionOf(org, id, reply[1]);
  }

  async scope(ref: ScopeRef): Promise<ScopeState | null> {
    checkScope(ref);
    const reply = await this.#run(scopeScript, [new LedgerKeys(ref.org).scope(ref)], [ref.kind]);
    if (reply[0] === "there") {
      return { scope: ref, used: codec.amountsOf(reply[1]), limits: codec.limitsOf(reply[2]) };
    }
    return ref.kind === "session" ? null : { scope: ref, used: NOTHING, limits: [] };
  }

  async addLimit(ref: ScopeRef, spec: LimitSpec): Promise<Changed<LimitState> | null> {
    checkScope(ref);
    checkLimit(spec);
    const reply = await this.#run(
      addLimitScript,
      [new LedgerKeys(ref.org).scope(ref)],
      [ref.kind, String(MAX_LIMITS), ...codec.limitArgs(spec)],
    );
    if (reply[0] === "unknown") return null;
    if (reply[0] === "too_many") throw tooManyLimits();
    return { value: codec.limitOf(reply[1]), changed: reply[0] === "made" };
  }

  async raiseLimit(
    ref: ScopeRef,
    input: { readonly limitId: string; readonly by: bigint; readonly operationId: string },
  ): Promise<Changed<LimitState> | null> {
    checkScope(ref);
    checkRaise(input);
    const reply = await this.#run(
      raiseScript,
      [new LedgerKeys(ref.org).scope(ref)],
      [ref.kind, input.limitId, String(input.by), String(MAX_LIMIT), input.operationId],
    );
    if (reply[0] === "unknown") return null;
    if (reply[0] === "too_large") throw limitTooLarge();
    if (reply[0] === "conflict") throw otherRaise();
    return { value: codec.limitOf(reply[1]), changed: reply[0] === "made" };
  }

  async reserve(input: ReserveInput): Promise<Grant | Refusal> {
    checkReserve(input);
    const { org, user } = input;
    const args = codec.reserveArgs(input, this.#sessionMs);
    let hint = input.session.kind === "auto" ? this.#hint(org, user) : "";
    for (let moves = 0; moves < MAX_MOVES; moves++) {
      const reply = await this.#run(reserveScript, reserveKeys(input, hint), args(hint));
      if (reply[0] === "mismatch") throw mismatch(unattached(input));
      if (reply[0] !== "move") {
        const outcome = codec.outcomeOf(input, reply);
        if (input.session.kind === "auto" && outcome.granted && outcome.lease.sessionId !== null) {
          this.#noteHint(org, user, outcome.lease.sessionId);
        }
        return outcome;
      }
      hint = word(reply[1]);
      if (input.session.kind === "auto") this.#noteHint(org, user, hint);
    }
    throw restless();
  }

  #finish(verb: string, lease: LeaseRef, args: readonly string[]): Promise<RedisReply[]> {
    const { leaseMs, expiredLeaseMs, usageMs, usageMax } = this.#retention;
    return this.#run(finishScript, finishKeys(lease), [
      verb,
      lease.leaseId,
      lease.sessionId ?? "",
      lease.keyId,
      ...[leaseMs, expiredLeaseMs, usageMs, usageMax].map(String),
      ...args,
    ]);
  }

  async release(lease: LeaseRef): Promise<{ readonly state: "released" | "settled" }> {
    checkLease(lease);
    const [state] = await this.#finish("release", lease, []);
    if (state === "released" || state === "settled") return { state };
    throw state === "mismatch" ? mismatch(lease) : codec.garbled();
  }

  async settle(input: SettleInput): Promise<Settled> {
    checkSettle(input);
    const { lease, actual, remember } = input;
    const reply = await this.#finish("settle", lease, [
      actual === "held" ? "held" : "amounts",
      ...codec.amountArgs(actual === "held" ? NOTHING : actual),
      JSON.stringify(input.detail),
      input.ifUnknown === "refuse" ? "1" : "",
      String(remember.length),
      ...remember.flatMap(({ hash, tokens }) => [hash, String(tokens)]),
    ]);
    if (reply[0] === "mismatch") throw mismatch(lease);
    if (reply[0] === "unknown") throw leaseNotFound();
    return {
      state: "settled",
      already: reply[1] === "1",
      late: reply[2] === "1",
      actual: codec.amountsOf(reply[3]),
      overrun: codec.amountsOf(reply[4]),
      limits: codec.limitsOf(reply[5]),
    };
  }

  async expireLeases(org: string, max = 100): Promise<{ readonly expired: number }> {
    checkPage(max, 0);
    const due = await this.#run(dueScript, [new LedgerKeys(org).leases], [String(max)]);
    const states = await Promise.all(due.map(async (place) => {
      const [leaseId = "", sessionId = "", ...rest] = word(place).split(" ");
      const lease = {
        org,
        leaseId,
        sessionId: sessionId === "-" ? null : sessionId,
        keyId: rest.join(" "),
      };
      return (await this.#finish("expire", lease, []))[0];
    }));
    return { expired: states.filter((state) => state === "expired").length };
  }

  async recordUsage(input: RecordUsage): Promise<Changed<UsageEvent> | null> {
    checkRecord(input);
    const { org, sessionId, user, keyId, referenceType, metadata } = input;
    const member = codec.eventMember(sessionId, `ref_${input.referenceId}`);
    const who: codec.EventOwner = {
      user,
      keyId,
      model: null,
      priceVersion: null,
      referenceType,
      metadata,
    };
    const reply = await this.#run(
      recordScript,
      finishKeys({ org, leaseId: "-", sessionId, keyId }),
      [
        member,
        JSON.stringify(who),
        "",
        ...[this.#retention.usageMs, this.#retention.usageMax].map(String),
        String(MAX_USED),
        ...codec.amountArgs(input.amounts),
      ],
    );
    if (reply[0] === "unknown") return null;
    if (reply[0] === "too_large") throw usageTooLarge();
    const value = codec.eventOf(org, member, word(reply[1]));
    return { value, changed: reply[0] === "made" };
  }

  async listUsage(org: string, query: UsageQuery = {}): Promise<UsageEvent[]> {
    const { limit = 100, offset = 0, sessionId, from = 0, to } = query;
    checkPage(limit, offset);
    const keys = new LedgerKeys(org);
    const index = sessionId === undefined ? keys.events : keys.sessionEvents(sessionId);
    const [members] = await this.#redis.pipeline([[
      "ZREVRANGEBYSCORE",
      index,
      to === undefined ? "+inf" : `(${to}`,
      String(from),
      "LIMIT",
      String(offset),
      String(limit),
    ]]);
    const names = list(members).map(word);
    if (names.length === 0) return [];
    const [bodies] = await this.#redis.pipeline([["HMGET", keys.bodies, ...names]]);
    return list(bodies).flatMap((body, at) =>
      body === null ? [] : [codec.eventOf(org, names[at] ?? "", word(body))]
    );
  }

  close(): Promise<void> {
    return this.#redis.close();
  }
}

function unattached(input: ReserveInput): LeaseRef {
  return { leaseId: input.leaseId, org: input.org, keyId: input.keyId, sessionId: null };
}

function restless(): SynthError {
  return new SynthError("The active session changes faster than it can be read", {
    code: "store_unavailable",
    status: 503,
    details: { reason: "busy" },
  });
}

/**
 * The ledger: who may spend what, decided before a request goes out and settled when it is back.
 *
 * The port's verbs are atomic domain operations. Each is idempotent by an id that the caller makes first, because every client of a
 * store re-sends what it is not sure of. Adapters: `ledger_sqlite.ts`, `ledger_redis.ts`; one contract test and one model for both.
 *
 * For each hard limit: `held` (open leases), `charged` (settled within their lease), `overrun` (anything beyond).
 * 1. `charged + held <= limit`, always.
 * 2. A lease is granted only if `charged + overrun + held + ask <= limit` for every hard limit of every scope that it asks anything of.
 * 3. `used = charged + overrun` is all that was reported or estimated; nothing lost, nothing twice.
 *
 * ```ts
 * const outcome = await ledger.reserve({ leaseId, org, user, keyId, session: { kind: "id", id }, ... });
 * if (!outcome.granted) throw refusalError(outcome);
 * try {
 *   const usage = await callUpstream(outcome.outputTokens);
 *   await ledger.settle({ lease: outcome.lease, actual: amountsOf(usage), detail: usage, remember: [] });
 * } catch {
 *   await ledger.release(outcome.lease); // only when the upstream cannot have seen the request
 * }
 * ```
 *
 * @module
 */
import type { Json } from "@synth/core";
import type { Amounts, LimitSpec, LimitState, ScopeRef } from "../limits.ts";

/** How a session is opened. */
export interface SessionSpec {
  /** Made by the caller: `sess_` and 26 of `[0-9a-z]`. Opening it again changes nothing and gives what is there. */
  readonly id: string;
  /** Milliseconds from now after which it is expired; `null` never. */
  readonly ttlMs: number | null;
  /** Milliseconds without a request or heartbeat after which it is expired; `null` never. */
  readonly idleMs: number | null;
  readonly limits: readonly LimitSpec[];
  /** `api_call`, `codex_agent` ... */
  readonly type: string;
  readonly tracingSessionId: string | null;
  readonly metadata: { readonly [key: string]: Json };
}

/** A session to open. */
export interface OpenSession {
  readonly org: string;
  readonly user: string;
  readonly keyId: string;
  /** Make it the one active session of this org and user, ending the one before. */
  readonly makeActive: boolean;
  readonly spec: SessionSpec;
}

/** What {@linkcode SessionLedger.openSession} did. */
export interface OpenedSession {
  readonly session: Session;
  /** False: a session of this id was there. */
  readonly created: boolean;
  /** The session that this one ended. */
  readonly ended: string | null;
}

/** Derived from the limits and times, for display. */
export type SessionStatus = "active" | "ended" | "limit_exceeded" | "expired";

/** A session as it stands. Times are milliseconds since the epoch by the store's clock. */
export interface Session {
  readonly id: string;
  readonly org: string;
  readonly user: string;
  readonly keyId: string;
  readonly type: string;
  readonly tracingSessionId: string | null;
  readonly metadata: { readonly [key: string]: Json };
  readonly createdAt: number;
  /** The earlier of its time to live and its idle time; `null` never. */
  readonly expiresAt: number | null;
  readonly idleMs: number | null;
  /** The last request or heartbeat. */
  readonly seenAt: number;
  readonly endedAt: number | null;
  /** Whether requests of this org and user without a session id attach to it. */
  readonly isActive: boolean;
  readonly status: SessionStatus;
  readonly used: Amounts;
  readonly limits: readonly LimitState[];
}

/** Which sessions {@linkcode SessionLedger.listSessions} gives, newest first. */
export interface SessionQuery {
  readonly user?: string;
  readonly status?: SessionStatus;
  /** Only the active ones (`true`), or only the others. */
  readonly active?: boolean;
  /** 1 to 1000. @default {100} */
  readonly limit?: number;
  /** @default {0} */
  readonly offset?: number;
}

/** A scope as it stands. */
export interface ScopeState {
  readonly scope: ScopeRef;
  readonly used: Amounts;
  readonly limits: readonly LimitState[];
}

/** Which session a request belongs to. */
export type Attach =
  /** None: only the limits of the key and the org count. */
  | { readonly kind: "none" }
  /** This one, or a refusal. */
  | { readonly kind: "id"; readonly id: string }
  /** The active one of this org and user, else `open` is opened and made active. A refusal opens nothing. */
  | { readonly kind: "auto"; readonly open: SessionSpec };

/** The highest prices that can apply from an input size on: nano-USD per million tokens, at most 10^13. */
export interface ReserveRate {
  /** The rate applies to inputs of more tokens than this; the first entry has 0. */
  readonly aboveInput: number;
  readonly input: bigint;
  readonly output: bigint;
}

/** A start of the conversation that the session may know. */
export interface PrefixCandidate {
  /** Over model, instructions, tools and items; 1 to 64 of `[0-9A-Za-z_-]`. */
  readonly hash: string;
  /** Upper bound in tokens of everything behind the prefix. */
  readonly rest: number;
}

/** What an upstream call needs, at most. */
export interface ReserveInput {
  /** Made by the caller before the call; 1 to 64 of `[0-9A-Za-z_-]`. A known id gives the same grant again. */
  readonly leaseId: string;
  readonly org: string;
  readonly user: string;
  readonly keyId: string;
  readonly session: Attach;
  readonly model: string;
  readonly priceVersion: string;
  /** Upper bound in tokens of the whole input, without any memory. At most {@linkcode MAX_REQUEST_TOKENS}. */
  readonly inputBound: number;
  /** Longest first, at most 64. The first that the session knows bounds the input, when lower than `inputBound`. */
  readonly prefixes: readonly PrefixCandidate[];
  /** Output tokens wanted, already clamped to the model's ceiling and `max_reserve_output`. */
  readonly outputWanted: number;
  /** Refused when less output than this can be paid. */
  readonly outputMin: number;
  /** How many times the output is produced (`n`). @default {1} */
  readonly outputTimes?: number;
  /** By `aboveInput`, ascending, at most 8; `null`: the price is not known, refused where a hard limit counts cost. */
  readonly rates: readonly ReserveRate[] | null;
  /** Nano-USD beside the tokens: per-call fees at their bound. @default {0n} */
  readonly fees?: bigint;
  /** @default {1n} */
  readonly apiCalls?: bigint;
  /** Milliseconds of GPU time: a job's lease, one heartbeat ahead. @default {0n} */
  readonly gpuTime?: bigint;
  /** The request has a part without a bound: refused where a hard limit counts tokens, or cost unless all prices are 0. @default {false} */
  readonly unmeterable?: boolean;
  /** Milliseconds until the lease expires: the request's deadline and a minute. */
  readonly ttlMs: number;
}

/** Names a lease and the scopes that it counts in. JSON-safe. */
export interface LeaseRef {
  readonly leaseId: string;
  readonly org: string;
  readonly keyId: string;
  readonly sessionId: string | null;
}

/** A lease was granted. */
export interface Grant {
  readonly granted: true;
  readonly lease: LeaseRef;
  /** The session was opened by this reserve. */
  readonly opened: boolean;
  /** The lease was granted before and has ended since: it holds nothing any more. */
  readonly ended?: true;
  /** The largest output, each of `outputTimes`; `null`: no hard limit counts tokens or cost. */
  readonly outputTokens: number | null;
  /** The bound of the input that was held. */
  readonly inputTokens: number;
  readonly held: Amounts;
  readonly expiresAt: number;
  /** All limits of all scopes, this lease counted. */
  readonly limits: readonly LimitState[];
}

/** No lease, and why. Nothing was written. */
export type Refusal =
  & { readonly granted: false; readonly sessionId: string | null }
  & (
    | {
      /**
       * `exceeded`: used up. `reserved`: would fit if open leases settled for nothing (wait and try again).
       * `price_unknown`, `unmeterable`: cannot be held under this limit.
       */
      readonly reason: "exceeded" | "reserved" | "price_unknown" | "unmeterable";
      readonly limit: LimitState;
      /** The least that was asked for, in the limit's unit. */
      readonly asked: bigint;
      /** When a rolling window has room for it, if nothing else is spent; `null` when that is not known or never. */
      readonly freesAt: number | null;
    }
    | {
      /** `released`: this lease was given back before it was taken. */
      readonly reason: "session_unknown" | "session_ended" | "session_expired" | "released";
    }
  );

/** What happened to the tokens, for the usage event. */
export interface UsageDetail {
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly reasoningTokens: number;
  /** Not reported by the upstream. */
  readonly estimated: boolean;
}

/** A lease that is done. */
export interface SettleInput {
  readonly lease: LeaseRef;
  /** What was used; `"held"` charges all that was held (it may have been billed, and nobody knows). */
  readonly actual: Amounts | "held";
  readonly detail: UsageDetail;
  /** Prefixes and the tokens that they had, for the input bound of the next request. At most 4. */
  readonly remember: readonly { readonly hash: string; readonly tokens: number }[];
  /**
   * What becomes of a lease that the ledger does not know: `charge` counts it (its reserve was lost, its use was not), `refuse` rejects with
   * `lease_not_found` (404). A lease that the journal still has is known, however long ago it was settled.
   * @default {"charge"}
   */
  readonly ifUnknown?: "charge" | "refuse";
}

/** What a lease came to. */
export interface Settled {
  /** `settled`: by this call or an earlier one. */
  readonly state: "settled";
  /** The lease was settled before: nothing was changed. */
  readonly already: boolean;
  /** It had expired (or was not known): this corrected the books. */
  readonly late: boolean;
  readonly actual: Amounts;
  /** What was used beyond what was held. */
  readonly overrun: Amounts;
  /** All limits of all its scopes. */
  readonly limits: readonly LimitState[];
}

/** Usage that comes without a lease. */
export interface RecordUsage {
  readonly org: string;
  readonly sessionId: string;
  readonly user: string;
  readonly keyId: string;
  /** Made by the caller; recorded once per session. 1 to 128 printable ASCII characters. */
  readonly referenceId: string;
  /** `llm_call`, `wall_clock_event`, `api_call`, `custom`. */
  readonly referenceType: string;
  readonly amounts: Amounts;
  readonly metadata: { readonly [key: string]: Json };
}

/** One line of the usage journal: a lease that ended, or usage that was recorded. */
export interface UsageEvent {
  /** The lease id, or `ref_` and the reference id. */
  readonly id: string;
  readonly kind: "lease" | "record";
  readonly org: string;
  readonly sessionId: string | null;
  readonly user: string;
  readonly keyId: string;
  readonly model: string | null;
  readonly priceVersion: string | null;
  /** When it was settled, by the store's clock. */
  readonly at: number;
  readonly amounts: Amounts;
  /** What went beyond the lease. */
  readonly overrun: Amounts;
  /** Charged at its lease's size because nobody settled it in time. */
  readonly expired: boolean;
  readonly detail: UsageDetail | null;
  readonly referenceType: string | null;
  readonly metadata: { readonly [key: string]: Json };
}

/** Which usage {@linkcode SessionLedger.listUsage} gives, newest first. */
export interface UsageQuery {
  readonly sessionId?: string;
  /** From this moment on, milliseconds since the epoch. */
  readonly from?: number;
  /** Before this moment. */
  readonly to?: number;
  /** 1 to 1000. @default {100} */
  readonly limit?: number;
  /** @default {0} */
  readonly offset?: number;
}

/** Result of a verb that changes something which may be done or gone. */
export interface Changed<T> {
  readonly value: T;
  /** False: it had been done before. */
  readonly changed: boolean;
}

/** The port. Every verb rejects with `store_unavailable` when the store cannot answer in time. */
export interface SessionLedger {
  /** Opens a session. @throws {SynthError} `session_conflict` (409) when the id is taken by a different session. */
  openSession(input: OpenSession): Promise<OpenedSession>;
  /** The active session that is neither ended nor expired. */
  activeSession(org: string, user: string): Promise<Session | null>;
  getSession(org: string, id: string): Promise<Session | null>;
  listSessions(org: string, query?: SessionQuery): Promise<Session[]>;
  /** Ends it; leases that are open settle as they would. `null`: not known. */
  endSession(org: string, id: string): Promise<Changed<Session> | null>;
  /** Counts as a sign of life. `null`: not known; an ended or expired session stays so. */
  heartbeat(org: string, id: string): Promise<Session | null>;

  /** A key's or org's limits (a scope that nothing was ever written for is empty). `null`: a session that is not known. */
  scope(ref: ScopeRef): Promise<ScopeState | null>;
  /** Adds a limit. One without a window counts all that its scope used before; open leases count when they end. `null`: no such session. */
  addLimit(ref: ScopeRef, spec: LimitSpec): Promise<Changed<LimitState> | null>;
  /**
   * Raises a limit by `by`, once for each `operationId` (the last 64 are remembered).
   * @throws {SynthError} `limit_too_large` (400) beyond {@linkcode MAX_LIMIT}; `idempotency_conflict` (409) when the operation was another raise.
   * `null`: no such limit.
   */
  raiseLimit(
    ref: ScopeRef,
    input: { readonly limitId: string; readonly by: bigint; readonly operationId: string },
  ): Promise<Changed<LimitState> | null>;

  reserve(input: ReserveInput): Promise<Grant | Refusal>;
  /** Gives a lease back unused, or makes sure that it is never granted. A settled lease stays settled. */
  release(lease: LeaseRef): Promise<{ readonly state: "released" | "settled" }>;
  settle(input: SettleInput): Promise<Settled>;
  /** Charges the leases of an org that are past their time, at most `max`, and drops what is past its retention. */
  expireLeases(org: string, max?: number): Promise<{ readonly expired: number }>;

  /** Counts usage without a lease. `null`: no such session. @throws {SynthError} `usage_too_large` (400) beyond {@linkcode MAX_USED} */
  recordUsage(input: RecordUsage): Promise<Changed<UsageEvent> | null>;
  listUsage(org: string, query?: UsageQuery): Promise<UsageEvent[]>;

  close(): Promise<void>;
}

/** The largest number of tokens, input or output, of one request. */
export const MAX_REQUEST_TOKENS = 100_000_000;

/** The largest price: nano-USD per million tokens. */
export const MAX_RATE = 10_000_000_000_000n;

/** The largest amount of one request, in any unit, beside tokens. */
export const MAX_REQUEST_AMOUNT = 4_000_000_000_000_000n;

/** What a scope can have used before no more usage is recorded: stores count with 64 bits, and leases must always find room to settle. */
export const MAX_USED = 4_000_000_000_000_000_000n;

/** Prefixes that a session remembers. */
export const REMEMBERED_PREFIXES = 32;

/** Limits of one scope, at most. */
export const MAX_LIMITS = 32;

/** Raises that a scope remembers, so that one that is sent again changes nothing. */
export const REMEMBERED_OPERATIONS = 64;

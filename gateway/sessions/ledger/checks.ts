/** What the adapters refuse before they touch the store: amounts that a store could not count exactly, ids that could leave their key. @module */
import { isSessionId, SynthError } from "@synth/core";
import type { Amounts, LimitSpec, ScopeRef } from "../limits.ts";
import { MAX_LIMIT, METRICS } from "../limits.ts";
import {
  type LeaseRef,
  MAX_LIMITS,
  MAX_RATE,
  MAX_REQUEST_AMOUNT,
  MAX_REQUEST_TOKENS,
  type OpenSession,
  type RecordUsage,
  type ReserveInput,
  type SessionSpec,
  type SettleInput,
} from "./ledger.ts";

const ID = /^[0-9A-Za-z_-]{1,64}$/;
const REFERENCE = /^[\x21-\x7e]{1,128}$/;
const YEAR_MS = 366 * 86_400_000;

/** @throws {SynthError} `invalid_limit` (400) naming what is wrong. */
export function checkLimit(spec: LimitSpec): void {
  const wrong = limitProblem(spec);
  if (wrong !== null) {
    throw new SynthError(`Limit on ${spec.metric}: ${wrong}`, {
      code: "invalid_limit",
      status: 400,
      param: "limits",
    });
  }
}

function limitProblem(spec: LimitSpec): string | null {
  if (!ID.test(spec.id)) return "its id is not 1 to 64 of [0-9A-Za-z_-]";
  if (!METRICS.includes(spec.metric)) return "there is no such metric";
  if (spec.kind !== "hard" && spec.kind !== "soft") return "it is neither hard nor soft";
  if (spec.value < 0n || spec.value > MAX_LIMIT) return `its value is not 0 to ${MAX_LIMIT}`;
  if (spec.windowMs !== null && !within(spec.windowMs, 1000, YEAR_MS)) {
    return "its window is not a second to a year";
  }
  if (spec.warnPpm !== null && !within(spec.warnPpm, 1, 1_000_000)) {
    return "its warning threshold is not above 0 and at most 1";
  }
  if (spec.expiresAt !== null && !within(spec.expiresAt, 0, Number.MAX_SAFE_INTEGER)) {
    return "its expiry is not a time";
  }
  return null;
}

/** The error for a lease that is named together with scopes that it was not granted for. */
export function mismatch(ref: LeaseRef): SynthError {
  return new SynthError(`Lease "${ref.leaseId}" was granted for another session or key`, {
    code: "lease_mismatch",
    status: 409,
  });
}

/** The error for a lease that nobody was granted. */
export function leaseNotFound(): SynthError {
  return new SynthError("There is no such lease", { code: "lease_not_found", status: 404 });
}

/** The error for a raise that was sent before with another amount or for another limit. */
export function otherRaise(): SynthError {
  return new SynthError("This raise was sent before, with another amount or for another limit", {
    code: "idempotency_conflict",
    status: 409,
    param: "Idempotency-Key",
    hint: "Use a new key for a new request",
  });
}

/** The error for usage that a scope's counters have no room for. */
export function usageTooLarge(): SynthError {
  return new SynthError("There is no room left to record so much usage", {
    code: "usage_too_large",
    status: 400,
  });
}

/** @throws {SynthError} `lease_mismatch` when a known lease is asked for again by somebody else. */
export function checkSameAsk(known: LeaseRef, input: ReserveInput): void {
  const { session } = input;
  const sameSession = session.kind === "auto"
    ? known.sessionId !== null
    : known.sessionId === (session.kind === "id" ? session.id : null);
  if (!sameSession || known.keyId !== input.keyId) throw mismatch(known);
}

/** The error for one limit more than a scope can have. */
export function tooManyLimits(): SynthError {
  return new SynthError(`A scope has at most ${MAX_LIMITS} limits`, {
    code: "invalid_limit",
    status: 400,
    param: "limits",
  });
}

/** The error for a raise beyond what the stores count exactly. */
export function limitTooLarge(): SynthError {
  return new SynthError(`A limit is at most ${MAX_LIMIT} units`, {
    code: "limit_too_large",
    status: 400,
    param: "increase_by",
  });
}

/** @throws {SynthError} when a limit of it is wrong, or an id or time is. */
export function checkSpec(spec: SessionSpec): void {
  if (!isSessionId(spec.id)) reject("session id", spec.id);
  if (spec.ttlMs !== null) checkTime("ttlMs", spec.ttlMs);
  if (spec.idleMs !== null) checkTime("idleMs", spec.idleMs);
  if (spec.limits.length > MAX_LIMITS) throw tooManyLimits();
  spec.limits.forEach(checkLimit);
  if (new Set(spec.limits.map((limit) => limit.id)).size !== spec.limits.length) {
    reject("limit ids", "doubled");
  }
}

/** @throws {SynthError} for a session that cannot be kept. */
export function checkOpen(input: OpenSession): void {
  checkWho(input.org, input.user, input.keyId);
  checkSpec(input.spec);
}

/** @throws {SynthError} for a scope that cannot be a key. */
export function checkScope(ref: ScopeRef): void {
  checkName("org", ref.org);
  if (ref.kind === "session" && !isSessionId(ref.id)) reject("session id", ref.id);
  if (ref.kind === "key") checkName("key", ref.id);
  if (ref.kind === "org" && ref.id !== ref.org) reject("org", ref.id);
}

/** @throws {SynthError} for an operation id that is not 1 to 64 of `[0-9A-Za-z_-]`, or a raise that is not above 0. */
export function checkRaise(input: { limitId: string; by: bigint; operationId: string }): void {
  if (!ID.test(input.operationId)) reject("operation id", input.operationId);
  if (input.by <= 0n || input.by > MAX_LIMIT) {
    throw new SynthError(`A raise is above 0 and at most ${MAX_LIMIT}`, {
      code: "invalid_limit",
      status: 400,
      param: "increase_by",
    });
  }
}

/** @throws {SynthError} for a request that the stores could not count exactly. */
export function checkReserve(input: ReserveInput): void {
  if (!ID.test(input.leaseId)) reject("lease id", input.leaseId);
  checkWho(input.org, input.user, input.keyId);
  if (input.session.kind === "id" && !isSessionId(input.session.id)) {
    reject("session id", input.session.id);
  }
  if (input.session.kind === "auto") checkSpec(input.session.open);
  checkTokens("inputBound", input.inputBound);
  const times = input.outputTimes ?? 1;
  if (!within(times, 1, 1024)) reject("outputTimes", times);
  checkTokens("outputWanted", input.outputWanted * times);
  if (!within(input.outputMin, 0, input.outputWanted)) reject("outputMin", input.outputMin);
  if (input.prefixes.length > 64) reject("prefixes", input.prefixes.length);
  for (const prefix of input.prefixes) {
    if (!ID.test(prefix.hash)) reject("prefix hash", prefix.hash);
    checkTokens("prefix rest", prefix.rest);
  }
  checkRates(input.rates);
  for (const amount of [input.fees ?? 0n, input.apiCalls ?? 1n, input.gpuTime ?? 0n]) {
    if (amount < 0n || amount > MAX_REQUEST_AMOUNT / 4n) reject("amount", amount);
  }
  checkTime("ttlMs", input.ttlMs);
}

function checkRates(rates: ReserveInput["rates"]): void {
  if (rates === null) return;
  if (rates.length < 1 || rates.length > 8) reject("rates", rates.length);
  for (const rate of rates) {
    checkTokens("aboveInput", rate.aboveInput);
    if (rate.input < 0n || rate.input > MAX_RATE) reject("input price", rate.input);
    if (rate.output < 0n || rate.output > MAX_RATE) reject("output price", rate.output);
  }
}

/** @throws {SynthError} for a lease name that could leave its key. */
export function checkLease(lease: LeaseRef): void {
  if (!ID.test(lease.leaseId)) reject("lease id", lease.leaseId);
  checkWho(lease.org, "-", lease.keyId);
  if (lease.sessionId !== null && !isSessionId(lease.sessionId)) {
    reject("session id", lease.sessionId);
  }
}

/** @throws {SynthError} for amounts that the stores could not count exactly. */
export function checkSettle(input: SettleInput): void {
  checkLease(input.lease);
  if (input.actual !== "held") checkAmounts(input.actual);
  if (input.remember.length > 4) reject("remember", input.remember.length);
  for (const prefix of input.remember) {
    if (!ID.test(prefix.hash)) reject("prefix hash", prefix.hash);
    checkTokens("prefix tokens", prefix.tokens);
  }
}

/** @throws {SynthError} for usage that cannot be recorded. */
export function checkRecord(input: RecordUsage): void {
  checkWho(input.org, input.user, input.keyId);
  if (!isSessionId(input.sessionId)) reject("session id", input.sessionId);
  if (!REFERENCE.test(input.referenceId)) reject("reference id", input.referenceId);
  checkAmounts(input.amounts);
}

/** @throws {SynthError} for a page that is not 1 to 1000 long. */
export function checkPage(limit: number, offset: number): void {
  if (!within(limit, 1, 1000)) reject("limit", limit, "limit");
  if (!within(offset, 0, 1_000_000_000)) reject("offset", offset, "offset");
}

function checkAmounts(amounts: Amounts): void {
  for (const metric of METRICS) {
    if (amounts[metric] < 0n || amounts[metric] > MAX_REQUEST_AMOUNT) {
      reject(metric, amounts[metric]);
    }
  }
}

function checkWho(org: string, user: string, keyId: string): void {
  checkName("org", org);
  checkName("user", user);
  checkName("key", keyId);
}

function checkName(what: string, text: string): void {
  if (text.length < 1 || text.length > 256) reject(what, text.slice(0, 64));
}

function checkTokens(what: string, count: number): void {
  if (!within(count, 0, MAX_REQUEST_TOKENS)) reject(what, count);
}

function checkTime(what: string, ms: number): void {
  if (!within(ms, 0, 100 * YEAR_MS)) reject(what, ms);
}

function within(value: number, low: number, high: number): boolean {
  return Number.isSafeInteger(value) && value >= low && value <= high;
}

function reject(what: string, value: string | number | bigint, param?: string): never {
  throw new SynthError(`The ledger cannot take this ${what}: ${JSON.stringify(String(value))}`, {
    code: "invalid_ledger_input",
    status: 400,
    ...(param === undefined ? {} : { param }),
  });
}

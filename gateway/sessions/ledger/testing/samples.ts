/** Short ways to say what the ledger is asked, for its tests and benchmarks. @module */
import { newId, newSessionId, newTimedId } from "@synth/core";
import { amounts, type LimitSpec, type Metric } from "../../limits.ts";
import type {
  Attach,
  Grant,
  Refusal,
  ReserveInput,
  SessionSpec,
  SettleInput,
  UsageDetail,
} from "../ledger.ts";

/** One nano-USD for a token in, four for one out. */
export const CHEAP: ReserveInput["rates"] = [
  { aboveInput: 0, input: 1_000_000n, output: 4_000_000n },
];

/** `price = "free"`. */
export const FREE: ReserveInput["rates"] = [{ aboveInput: 0, input: 0n, output: 0n }];

/** No tokens of any kind. */
export const NO_DETAIL: UsageDetail = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  estimated: false,
};

/** A hard limit without a window. */
export function limit(
  metric: Metric,
  value: number | bigint,
  more: Partial<LimitSpec> = {},
): LimitSpec {
  return {
    id: newId("lim_"),
    metric,
    kind: "hard",
    value: BigInt(value),
    windowMs: null,
    warnPpm: null,
    expiresAt: null,
    ...more,
  };
}

/** A session with these limits. */
export function spec(limits: LimitSpec[] = [], more: Partial<SessionSpec> = {}): SessionSpec {
  return {
    id: newSessionId(1_750_000_000_000),
    ttlMs: null,
    idleMs: null,
    limits,
    type: "api_call",
    tracingSessionId: null,
    metadata: {},
    ...more,
  };
}

/** A request of 100 tokens in and at most 200 out by `user` with key `k`. */
export function ask(
  org: string,
  session: string | Attach,
  more: Partial<ReserveInput> = {},
): ReserveInput {
  return {
    leaseId: newTimedId("lease_"),
    org,
    user: "user",
    keyId: "k",
    session: typeof session === "string" ? { kind: "id", id: session } : session,
    model: "m",
    priceVersion: "v1",
    inputBound: 100,
    prefixes: [],
    outputWanted: 200,
    outputMin: 16,
    rates: CHEAP,
    ttlMs: 60_000,
    ...more,
  };
}

/** What a grant's lease came to. */
export function usage(
  grant: Grant,
  tokens: number,
  cost: number,
  more: Partial<SettleInput> = {},
): SettleInput {
  return {
    lease: grant.lease,
    actual: amounts({ tokens: BigInt(tokens), cost: BigInt(cost), api_calls: 1n }),
    detail: NO_DETAIL,
    remember: [],
    ...more,
  };
}

/** The grant, or an error that says what was refused. */
export function granted(outcome: Grant | Refusal): Grant {
  if (outcome.granted) return outcome;
  throw new Error(`refused: ${outcome.reason}`);
}

/** The refusal, or an error. */
export function refused(outcome: Grant | Refusal): Refusal {
  if (!outcome.granted) return outcome;
  throw new Error(`granted ${outcome.outputTokens}`);
}

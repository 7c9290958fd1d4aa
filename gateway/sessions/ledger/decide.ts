/**
 * The decision of a reserve, from limits as they stand: pure, exact, shared by the adapters that can run TypeScript where the data is.
 *
 * @module
 */
import { type Amounts, reached, used } from "../limits.ts";
import type { LimitState, Metric } from "../limits.ts";
import { costOf, payableOutput, rateFor } from "./cost.ts";
import type { ReserveInput } from "./ledger.ts";

/** A lease may be granted: this much. */
export interface Affordable {
  readonly ok: true;
  /** Output tokens, each of `outputTimes`. */
  readonly output: number;
  /** Whether a hard limit counts tokens or cost. */
  readonly clamped: boolean;
  readonly held: Amounts;
}

/** The limit that refuses. */
export interface Unaffordable<L extends LimitState> {
  readonly ok: false;
  readonly limit: L;
  readonly reason: "exceeded" | "reserved" | "price_unknown" | "unmeterable";
  readonly asked: bigint;
}

/** What a request with so much output would take. */
export function askOf(input: ReserveInput, inputTokens: number, output: number): Amounts {
  const outputs = BigInt(output) * BigInt(input.outputTimes ?? 1);
  const inputs = BigInt(inputTokens);
  const rate = input.rates === null ? null : rateFor(input.rates, inputTokens);
  const parts = rate === null
    ? []
    : [{ tokens: inputs, rate: rate.input }, { tokens: outputs, rate: rate.output }];
  return {
    tokens: inputs + outputs,
    cost: costOf(parts, input.fees ?? 0n),
    gpu_time: input.gpuTime ?? 0n,
    api_calls: input.apiCalls ?? 1n,
  };
}

/**
 * Grants the largest output that every hard limit in force can pay, or names the limit that refuses: the first that is used up, else
 * the first that only open leases are in the way of.
 */
export function decide<L extends LimitState>(
  limits: readonly L[],
  input: ReserveInput,
  inputTokens: number,
): Affordable | Unaffordable<L> {
  const hard = limits.filter((limit) => limit.kind === "hard");
  for (const limit of hard) {
    if (limit.metric === "cost" && input.rates === null) {
      return { ok: false, limit, reason: "price_unknown", asked: 0n };
    }
    const unbounded = limit.metric === "tokens" || (limit.metric === "cost" && !isFree(input));
    if (input.unmeterable === true && unbounded) {
      return { ok: false, limit, reason: "unmeterable", asked: 0n };
    }
  }
  const least = askOf(input, inputTokens, input.outputMin);
  let reserved: L | undefined;
  for (const limit of hard) {
    const asked = least[limit.metric];
    if (gpuIsReached(limit) || (asked > 0n && used(limit) + asked > limit.value)) {
      return { ok: false, limit, reason: "exceeded", asked };
    }
    if (asked > 0n && used(limit) + limit.held + asked > limit.value) reserved ??= limit;
  }
  if (reserved !== undefined) {
    return { ok: false, limit: reserved, reason: "reserved", asked: least[reserved.metric] };
  }
  const output = largestOutput(hard, input, inputTokens);
  return {
    ok: true,
    output,
    clamped: hard.some((limit) => countsOutput(limit.metric)),
    held: askOf(input, inputTokens, output),
  };
}

function largestOutput(
  hard: readonly LimitState[],
  input: ReserveInput,
  inputTokens: number,
): number {
  let output = BigInt(input.outputWanted);
  for (const limit of hard) {
    const payable = payableUnder(limit, input, inputTokens);
    if (payable !== "unbounded" && payable < output) output = payable;
  }
  // A request that asks nothing of a limit is not bound by it, however far that limit is overrun.
  return Math.max(Number(output), input.outputMin);
}

function payableUnder(
  limit: LimitState,
  input: ReserveInput,
  inputTokens: number,
): bigint | "unbounded" {
  const left = limit.value - used(limit) - limit.held;
  const times = BigInt(input.outputTimes ?? 1);
  if (limit.metric === "tokens") return (left - BigInt(inputTokens)) / times;
  if (limit.metric !== "cost" || input.rates === null) return "unbounded";
  const rate = rateFor(input.rates, inputTokens);
  const priced = { tokens: BigInt(inputTokens), rate: rate.input };
  if (left < 0n && askOf(input, inputTokens, input.outputWanted).cost === 0n) return "unbounded";
  return payableOutput(left, priced, rate.output, times, input.fees ?? 0n);
}

/** However much of nothing it is, it costs nothing. */
function isFree({ rates, fees = 0n }: ReserveInput): boolean {
  return rates !== null && fees === 0n &&
    rates.every(({ input, output }) => input === 0n && output === 0n);
}

function gpuIsReached(limit: LimitState): boolean {
  return limit.metric === "gpu_time" && reached(limit);
}

function countsOutput(metric: Metric): boolean {
  return metric === "tokens" || metric === "cost";
}

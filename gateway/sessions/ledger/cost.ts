/**
 * Exact money: prices are nano-USD per million tokens, a cost is the exact sum rounded up to the next nano-USD.
 *
 * @module
 */
import type { ReserveRate } from "./ledger.ts";

const MILLION = 1_000_000n;

/** Tokens at a price. */
export interface PricedTokens {
  readonly tokens: bigint;
  /** Nano-USD per million tokens. */
  readonly rate: bigint;
}

/** What tokens and fees cost together, in nano-USD: `ceil(exact sum)`, rounded once. */
export function costOf(parts: readonly PricedTokens[], fees = 0n): bigint {
  let micro = 0n;
  for (const part of parts) micro += part.tokens * part.rate;
  return (micro + MILLION - 1n) / MILLION + fees;
}

/** The most output tokens, each produced `times` times, that `budget` nano-USD can pay beside the input; -1 when not even the input. */
export function payableOutput(
  budget: bigint,
  input: PricedTokens,
  outputRate: bigint,
  times: bigint,
  fees: bigint,
): bigint | "unbounded" {
  const left = (budget - fees) * MILLION - input.tokens * input.rate;
  if (left < 0n) return -1n;
  if (outputRate === 0n) return "unbounded";
  return left / (outputRate * times);
}

/** The rate for an input of this size: the last whose threshold it is above. */
export function rateFor(rates: readonly ReserveRate[], inputTokens: number): ReserveRate {
  let found = rates[0];
  for (const rate of rates) {
    if (found === undefined || inputTokens > rate.aboveInput) found = rate;
  }
  if (found === undefined) throw new RangeError("A price has at least one rate");
  return found;
}

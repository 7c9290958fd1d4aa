/**
 * Prices as the ledger needs them: integer nano-USD for a million tokens.
 *
 * @module
 */

import { ceilCost } from "@synth/core";

/** Rates from one size of input on. All in nano-USD per million tokens. */
export interface Rates {
  readonly input: bigint;
  /** Input that the provider served from its cache. */
  readonly cachedInput: bigint;
  /** Input that the provider wrote to its cache. */
  readonly cacheWrite: bigint;
  readonly output: bigint;
  /** Output that was reasoning. */
  readonly reasoning: bigint;
}

/** A tier: its rates hold for a whole request whose input is larger than `aboveInputTokens`. */
export interface PriceTier extends Rates {
  readonly aboveInputTokens: number;
}

/** What a model costs, resolved. */
export interface Price {
  /** Names the table and the entry; a lease keeps it, so a later change cannot re-price it. */
  readonly version: string;
  /** True when nothing can ever cost: such a model works when a cost limit is used up. */
  readonly free: boolean;
  /** At least one, by rising `aboveInputTokens`; the first starts at 0. */
  readonly tiers: readonly PriceTier[];
  /** Nano-USD for every call, beside the tokens. */
  readonly perCall: bigint;
}

/** Tokens of one call. `cached` and `cacheWrite` are part of `input`; `reasoning` is part of `output`. */
export interface TokenUsage {
  readonly input: number;
  readonly cached: number;
  readonly cacheWrite: number;
  readonly output: number;
  readonly reasoning: number;
}

/** The price that says "nothing". */
export const FREE: Price = {
  version: "free",
  free: true,
  perCall: 0n,
  tiers: [{
    aboveInputTokens: 0,
    input: 0n,
    cachedInput: 0n,
    cacheWrite: 0n,
    output: 0n,
    reasoning: 0n,
  }],
};

/** Nano-USD of one call: the exact sum, rounded up once. */
export function costOf(price: Price, usage: TokenUsage): bigint {
  const rates = tierFor(price, usage.input);
  // Providers disagree on whether the parts are inside the whole; a part larger than its whole costs as the part.
  const parts = Math.min(usage.input, usage.cached + usage.cacheWrite);
  return price.perCall + ceilCost([
    { tokens: usage.input - parts, nanoPerMillion: rates.input },
    { tokens: usage.cached, nanoPerMillion: rates.cachedInput },
    { tokens: usage.cacheWrite, nanoPerMillion: rates.cacheWrite },
    { tokens: Math.max(0, usage.output - usage.reasoning), nanoPerMillion: rates.output },
    { tokens: usage.reasoning, nanoPerMillion: rates.reasoning },
  ]);
}

/** The highest rates that can apply to a call of at most `maxInputTokens`: what a reserve must hold. */
export function ceilingRates(
  price: Price,
  maxInputTokens: number,
): { input: bigint; output: bigint } {
  let input = 0n;
  let output = 0n;
  for (const tier of price.tiers) {
    if (tier.aboveInputTokens > 0 && tier.aboveInputTokens >= maxInputTokens) break;
    input = max(input, tier.input, tier.cachedInput, tier.cacheWrite);
    output = max(output, tier.output, tier.reasoning);
  }
  return { input, output };
}

function tierFor(price: Price, inputTokens: number): Rates {
  let found = price.tiers[0] ?? FREE.tiers[0]!;
  for (const tier of price.tiers) if (inputTokens > tier.aboveInputTokens) found = tier;
  return found;
}

function max(...values: bigint[]): bigint {
  return values.reduce((a, b) => (b > a ? b : a));
}

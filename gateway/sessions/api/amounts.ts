/** Amounts of the wire as whole units, and back: nano-USD, milliseconds, ones. @module */
import { SynthError } from "@synth/core";
import type { UsageAmounts, WireAmount, WireMetric } from "@synth/core/api";
import type { Amounts, Metric } from "../limits.ts";
import { wireAmount } from "../refusal.ts";

/** The ledger's name of a metric. */
export const METRIC_OF: Readonly<Record<WireMetric, Metric>> = {
  tokens: "tokens",
  cost_usd: "cost",
  gpu_hours: "gpu_time",
  api_calls: "api_calls",
};

/** Units that one of the wire's unit is. */
const UNITS = {
  tokens: 1n,
  api_calls: 1n,
  cost_usd: 1_000_000_000n,
  gpu_hours: 3_600_000n,
  gpu_seconds: 1000n,
} as const;

/** The grammar of a JSON number, without a sign. */
const DECIMAL = /^([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/;
const MAX_LENGTH = 64;

/** How {@linkcode parseAmount} reads. */
export interface AmountRules {
  /** `exact` refuses what is no whole number of units; `up` takes the next larger one. */
  readonly round: "exact" | "up";
  /** The largest amount, in units. */
  readonly max: bigint;
  /** Of the error. */
  readonly code: string;
  /** Path of the field, for the error. */
  readonly param: string;
}

/**
 * An amount in units. A number counts as its shortest decimal, whatever the double behind it.
 *
 * @throws {SynthError} 400 with the rules' code: not a decimal, negative, too precise, too large
 */
export function parseAmount(
  unit: keyof typeof UNITS,
  value: WireAmount,
  rules: AmountRules,
): bigint {
  const text = typeof value === "number" ? String(value) : value;
  const parts = text.length <= MAX_LENGTH ? DECIMAL.exec(text) : null;
  if (parts === null) {
    throw invalid(text.startsWith("-") ? "cannot be negative" : "must be a decimal number", rules);
  }
  const [, whole = "", fraction = "", exponent = "0"] = parts;
  const shift = Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction) * UNITS[unit];
  let amount = digits;
  if (shift > 0) amount = digits * 10n ** BigInt(shift);
  else if (shift < 0) {
    const divisor = 10n ** BigInt(-shift);
    if (digits % divisor !== 0n && rules.round === "exact") {
      throw invalid(`is finer than ${FINEST[unit]}`, rules);
    }
    amount = (digits + divisor - 1n) / divisor;
  }
  if (amount > rules.max) throw invalid("is too large", rules);
  return amount;
}

const FINEST: Readonly<Record<keyof typeof UNITS, string>> = {
  tokens: "one token",
  api_calls: "one call",
  cost_usd: "0.000000001 USD",
  gpu_hours: "a millisecond",
  gpu_seconds: "a millisecond",
};

/** Amounts in the units of the wire. */
export function amountsBody(amounts: Amounts): UsageAmounts {
  return {
    tokens: wireAmount("tokens", amounts.tokens),
    cost_usd: wireAmount("cost", amounts.cost),
    gpu_hours: wireAmount("gpu_time", amounts.gpu_time),
    api_calls: wireAmount("api_calls", amounts.api_calls),
  };
}

function invalid(why: string, { code, param }: AmountRules): SynthError {
  return new SynthError(`Invalid '${param}': the amount ${why}`, { code, status: 400, param });
}

/**
 * Money as integers: nano-USD (a billionth of a dollar) in a bigint. Nothing is rounded but the cost of a request, once, up.
 *
 * ```ts
 * import { ceilCost, formatUsd, usdToNano } from "@synth/core";
 *
 * const price = usdToNano("0.15"); // nano-USD per million tokens, from USD per million
 * formatUsd(ceilCost([{ tokens: 1200, nanoPerMillion: price }])); // "$0.00018"
 * ```
 *
 * @module
 */
import { SynthError } from "./errors.ts";

/** The largest amount: what a JSON number carries exactly, about nine million dollars. */
export const MAX_NANO_USD = 9_007_199_254_740_991n;

/** Tokens of one kind, and what a million of them costs. */
export interface CostPart {
  /** Not negative, an integer. */
  readonly tokens: bigint | number;
  /** Nano-USD per million tokens, not negative. */
  readonly nanoPerMillion: bigint;
}

const DIGITS = 9;
const MILLION = 1_000_000n;
const BILLION = 1_000_000_000n;
/** The grammar of a JSON number without a sign. */
const DECIMAL = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/;
const MAX_LENGTH = 64;

/**
 * Dollars as nano-USD, exactly. A number counts as its shortest decimal: `0.1` is 100,000,000, whatever the double behind it.
 *
 * @throws {SynthError} 400 `invalid_amount`: not a decimal, negative, finer than a nano-USD, or over {@linkcode MAX_NANO_USD}
 */
export function usdToNano(usd: number | string): bigint {
  const text = typeof usd === "number" ? String(usd) : usd;
  const parts = text.length <= MAX_LENGTH ? DECIMAL.exec(text) : null;
  if (parts === null) {
    throw invalid(
      text.startsWith("-") ? "An amount cannot be negative" : "An amount must be a decimal number",
    );
  }
  const [, whole = "", fraction = "", exponent = "0"] = parts;
  // The value is digits * 10^shift nano-USD.
  const digits = BigInt(whole + fraction);
  const shift = Number(exponent) - fraction.length + DIGITS;
  if (digits === 0n) return 0n;
  if (shift >= 0) return checkRange(digits * 10n ** BigInt(shift));
  const divisor = 10n ** BigInt(-shift);
  if (digits % divisor !== 0n) throw invalid("An amount cannot be finer than 0.000000001 USD");
  return checkRange(digits / divisor);
}

/** Nano-USD as dollars: the nearest double. Up to four million dollars `usdToNano` gives the same amount back. */
export function nanoToUsd(nano: bigint): number {
  return Number(nano) / 1e9;
}

/** Dollars for people, exactly: at least two decimals, at most nine: `$20.00`, `$0.00018`. */
export function formatUsd(nano: bigint): string {
  const sign = nano < 0n ? "-" : "";
  const size = nano < 0n ? -nano : nano;
  const fraction = String(size % BILLION).padStart(DIGITS, "0").replace(/0{1,7}$/, "");
  return `${sign}$${size / BILLION}.${fraction}`;
}

/**
 * What tokens of one kind cost, in nano-USD, rounded up.
 *
 * @throws {SynthError} 500 `invalid_tokens` for a negative or fractional number of tokens or price
 */
export function costNano(tokens: bigint | number, nanoPerMillion: bigint): bigint {
  return ceilMillionth(product(tokens, nanoPerMillion));
}

/**
 * What a request costs, in nano-USD: the exact sum of its parts, rounded up once.
 *
 * @throws {SynthError} 500 `invalid_tokens` for a negative or fractional number of tokens or price
 */
export function ceilCost(parts: Iterable<CostPart>): bigint {
  let sum = 0n;
  for (const { tokens, nanoPerMillion } of parts) sum += product(tokens, nanoPerMillion);
  return ceilMillionth(sum);
}

function product(tokens: bigint | number, nanoPerMillion: bigint): bigint {
  const exact = typeof tokens === "bigint" || Number.isSafeInteger(tokens);
  if (!exact || tokens < 0 || nanoPerMillion < 0n) {
    throw new SynthError("Tokens and prices must be integers that are not negative", {
      code: "invalid_tokens",
    });
  }
  return BigInt(tokens) * nanoPerMillion;
}

function ceilMillionth(amount: bigint): bigint {
  return (amount + MILLION - 1n) / MILLION;
}

function checkRange(nano: bigint): bigint {
  if (nano > MAX_NANO_USD) throw invalid("An amount cannot be over 9007199.254740991 USD");
  return nano;
}

function invalid(message: string): SynthError {
  return new SynthError(message, { code: "invalid_amount", status: 400 });
}

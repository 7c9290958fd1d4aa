/**
 * What can be limited, by whom, and how a limit reads: the vocabulary of the ledger.
 *
 * ```ts
 * import { remaining, used } from "./limits.ts";
 *
 * if (remaining(limit) === 0n) console.log(`${limit.metric}: ${used(limit)} of ${limit.value}`);
 * ```
 *
 * @module
 */

/**
 * What is counted, in whole units: `tokens`, `cost` in nano-USD, `gpu_time` in milliseconds, `api_calls` in upstream calls.
 */
export type Metric = "tokens" | "cost" | "gpu_time" | "api_calls";

/** All metrics, in the order that the stores keep them. */
export const METRICS: readonly Metric[] = ["tokens", "cost", "gpu_time", "api_calls"];

/** One amount for each metric. */
export type Amounts = Readonly<Record<Metric, bigint>>;

/** Nothing of anything. */
export const NOTHING: Amounts = { tokens: 0n, cost: 0n, gpu_time: 0n, api_calls: 0n };

/** Whose spending is counted. */
export type ScopeKind = "session" | "key" | "org";

/** One holder of limits. The id of an org scope is the org. */
export interface ScopeRef {
  readonly org: string;
  readonly kind: ScopeKind;
  readonly id: string;
}

/** `hard` refuses, `soft` warns. */
export type LimitKind = "hard" | "soft";

/** The largest limit: 2^53-1 units, so that every store compares it exactly. */
export const MAX_LIMIT = 9_007_199_254_740_991n;

/** Buckets of a rolling window. */
export const WINDOW_BUCKETS = 60;

/** Buckets that are counted: those of the window, and the one that it has half left. */
export const LIVE_BUCKETS: number = WINDOW_BUCKETS + 1;

/** A limit as it is asked for. */
export interface LimitSpec {
  /** Made by the caller; unique within the scope, 1 to 64 of `[0-9A-Za-z_-]`. Adding it again changes nothing. */
  readonly id: string;
  readonly metric: Metric;
  readonly kind: LimitKind;
  /** 0 to {@linkcode MAX_LIMIT}, in the metric's unit. 0 means zero. */
  readonly value: bigint;
  /** Length of a rolling window in milliseconds, 1000 to a year; `null` counts from the scope's beginning. */
  readonly windowMs: number | null;
  /** Warn from this share of the limit on, in millionths of it (900_000 = 90 %); `null` never. */
  readonly warnPpm: number | null;
  /** Milliseconds since the epoch from which on the limit is ignored; `null` never. */
  readonly expiresAt: number | null;
}

/** A limit and what counts against it now. */
export interface LimitState extends LimitSpec {
  readonly scope: ScopeKind;
  /** Open leases. */
  readonly held: bigint;
  /** Settled within their lease. `charged + held <= value` for a hard limit, always. */
  readonly charged: bigint;
  /** Settled beyond their lease. */
  readonly overrun: bigint;
}

/** Why a limit is worth a word in a header. */
export interface LimitWarning {
  readonly limit: LimitState;
  readonly reason: "soft_limit_exceeded" | "warning_threshold_reached";
}

/** Everything that was reported or estimated. */
export function used(limit: LimitState): bigint {
  return limit.charged + limit.overrun;
}

/** What a new lease could take; 0 when nothing. */
export function remaining(limit: LimitState): bigint {
  const left = limit.value - limit.charged - limit.overrun - limit.held;
  return left > 0n ? left : 0n;
}

/** Whether what was used has come up to the limit. */
export function reached(limit: LimitState): boolean {
  return used(limit) >= limit.value;
}

/** The warnings that a set of limits gives, leases counted. */
export function warningsOf(limits: readonly LimitState[]): LimitWarning[] {
  const warnings: LimitWarning[] = [];
  for (const limit of limits) {
    const counted = used(limit) + limit.held;
    if (limit.kind === "soft" && counted > limit.value) {
      warnings.push({ limit, reason: "soft_limit_exceeded" });
    } else if (
      limit.warnPpm !== null && counted * 1_000_000n >= limit.value * BigInt(limit.warnPpm)
    ) {
      warnings.push({ limit, reason: "warning_threshold_reached" });
    }
  }
  return warnings;
}

/** Width of a bucket in milliseconds: rounded up, so that the buckets never cover less than the window. */
export function bucketWidth(windowMs: number): number {
  return Math.ceil(windowMs / WINDOW_BUCKETS);
}

/** Builds an {@linkcode Amounts} from the metrics that matter. */
export function amounts(part: Partial<Record<Metric, bigint>>): Amounts {
  return { ...NOTHING, ...part };
}

/** Applies `fn` to each metric. */
export function mapAmounts(fn: (metric: Metric) => bigint): Amounts {
  return {
    tokens: fn("tokens"),
    cost: fn("cost"),
    gpu_time: fn("gpu_time"),
    api_calls: fn("api_calls"),
  };
}

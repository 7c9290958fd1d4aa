/** Limits as flags. @module */
import { EXIT, SynthError } from "@synth/core";
import type { LimitRequest, WireMetric } from "@synth/core/api";
import { parseAmount, parseCount, parseDuration } from "../output/amounts.ts";
import { optionalFlag } from "../commands/flags.ts";

/** Written here so that describing a command does not load the wire schemas. */
const METRICS: readonly WireMetric[] = ["cost_usd", "tokens", "gpu_hours", "api_calls"];

/** The values of {@linkcode limitFlags}. */
export interface LimitFlags {
  readonly limitCostUsd?: string;
  readonly limitTokens?: string;
  readonly limitGpuHours?: string;
  readonly limitApiCalls?: string;
  readonly soft?: readonly WireMetric[];
  readonly window?: number;
  readonly warningThreshold?: number;
}

/** Flags that set limits. */
export const limitFlags = {
  limitCostUsd: optionalFlag("Most USD; 0 means zero", "usd", parseAmount),
  limitTokens: optionalFlag("Most tokens", "n", parseCount),
  limitGpuHours: optionalFlag("Most GPU hours", "hours", parseAmount),
  limitApiCalls: optionalFlag("Most API calls", "n", parseCount),
  soft: optionalFlag("Limits that warn and do not refuse", "metrics", parseMetrics),
  window: optionalFlag("The limits count only the last 90s, 30m, 24h, 7d", "time", parseDuration),
  warningThreshold: optionalFlag("Warn from this share of a limit on", "0-1", parseShare),
} as const;

/** The limits that the flags ask for; `null` when no flag names one. @throws {SynthError} `usage` */
export function limitsOf(flags: LimitFlags): LimitRequest[] | null {
  const values: [WireMetric, string | undefined][] = [
    ["cost_usd", flags.limitCostUsd],
    ["tokens", flags.limitTokens],
    ["gpu_hours", flags.limitGpuHours],
    ["api_calls", flags.limitApiCalls],
  ];
  const limits: LimitRequest[] = [];
  for (const [metric, value] of values) {
    if (value !== undefined) limits.push(limitOf(metric, value, flags));
    else if (flags.soft?.includes(metric)) {
      throw new SynthError(`--soft names ${metric}, which has no limit`, {
        code: "usage",
        exitCode: EXIT.usage,
        hint: `Give --limit-${metric.replace("_", "-")}`,
      });
    }
  }
  return limits.length === 0 ? null : limits;
}

/** One limit. Its id is its metric, so that it can be raised by name. */
export function limitOf(
  metric: WireMetric,
  value: string | number,
  { soft = [], window, warningThreshold }: Omit<LimitFlags, `limit${string}`>,
): LimitRequest {
  const isSoft = soft.includes(metric);
  return {
    limit_id: metric,
    metric_type: metric,
    limit_type: isSoft ? "soft" : window === undefined ? "hard" : "rolling_window",
    limit_value: value,
    ...(window === undefined ? {} : { window_seconds: window }),
    ...(warningThreshold === undefined ? {} : { warning_threshold: warningThreshold }),
  };
}

function parseMetrics(text: string): WireMetric[] {
  return text.split(",").map((word) => {
    const metric = METRICS.find((one) => one === word.trim());
    if (metric !== undefined) return metric;
    throw new Error(`write some of ${METRICS.join(",")}`);
  });
}

function parseShare(text: string): number {
  const share = /^(?:0?\.[0-9]{1,6}|[01](?:\.[0-9]{1,6})?)$/.test(text) ? Number(text) : NaN;
  if (share > 0 && share <= 1) return share;
  throw new Error("write a number above 0, at most 1");
}

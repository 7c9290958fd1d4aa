/** What is left, as headers of an answer. @module */
import { nanoToUsd } from "@synth/core";
import type { ClientKind } from "../bridge/client_traits.ts";
import type { Grant } from "./ledger/ledger.ts";
import { type LimitState, type Metric, METRICS, remaining, used, warningsOf } from "./limits.ts";
import { WIRE_METRIC } from "./refusal.ts";

/** Names of the headers per metric: `x-synth-remaining-tokens` ... */
const HEADER_METRIC: Readonly<Record<Metric, string>> = {
  tokens: "tokens",
  cost: "cost-usd",
  gpu_time: "gpu-hours",
  api_calls: "api-calls",
};

/**
 * `x-synth-session-id`, for each metric under a hard limit `x-synth-limit-M` and `x-synth-remaining-M` of the tightest one (this request's own reservation counted),
 * `x-synth-budget-warning`, and for Codex its own rate-limit headers, which it shows as a used percentage.
 */
export function budgetHeaders(
  grant: Grant,
  client: ClientKind,
  now: number,
): Record<string, string> {
  const headers: Record<string, string> = {};
  if (grant.lease.sessionId !== null) headers["x-synth-session-id"] = grant.lease.sessionId;
  const hard = grant.limits.filter((limit) => limit.kind === "hard");
  for (const metric of METRICS) {
    const tightest = least(hard.filter((limit) => limit.metric === metric));
    if (tightest === null) continue;
    headers[`x-synth-limit-${HEADER_METRIC[metric]}`] = shown(metric, tightest.value);
    headers[`x-synth-remaining-${HEADER_METRIC[metric]}`] = shown(metric, remaining(tightest));
  }
  const warnings = warningsOf(grant.limits);
  if (warnings.length > 0) {
    headers["x-synth-budget-warning"] = warnings.slice(0, 8).map(({ limit, reason }) =>
      `${limit.scope} ${WIRE_METRIC[limit.metric]} ${reason}`
    ).join(", ");
  }
  if (client === "codex") Object.assign(headers, codexHeaders(hard, now));
  return headers;
}

/** A limit without a window never resets, and Codex shows it so. */
function codexHeaders(hard: readonly LimitState[], now: number): Record<string, string> {
  let fullest: LimitState | null = null;
  for (const limit of hard) {
    if (fullest === null || percent(limit) > percent(fullest)) fullest = limit;
  }
  if (fullest === null) return {};
  const headers = { "x-codex-primary-used-percent": percent(fullest).toFixed(1) };
  if (fullest.windowMs === null) return headers;
  return {
    ...headers,
    "x-codex-primary-window-minutes": String(Math.ceil(fullest.windowMs / 60_000)),
    "x-codex-primary-reset-at": String(Math.ceil((now + fullest.windowMs) / 1000)),
  };
}

function percent(limit: LimitState): number {
  if (limit.value === 0n) return 100;
  return Math.min(100, Number((used(limit) + limit.held) * 1000n / limit.value) / 10);
}

function least(limits: readonly LimitState[]): LimitState | null {
  let found: LimitState | null = null;
  for (const limit of limits) {
    if (found === null || remaining(limit) < remaining(found)) found = limit;
  }
  return found;
}

function shown(metric: Metric, value: bigint): string {
  if (metric === "cost") return decimal(nanoToUsd(value));
  return metric === "gpu_time" ? decimal(Number(value) / 3_600_000) : String(value);
}

/** Never in exponent form. */
function decimal(value: number): string {
  return value.toFixed(9).replace(/\.?0+$/, "");
}

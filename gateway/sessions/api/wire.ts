/** Sessions, limits and usage as the wire shows them. @module */
import { formatUsd, type Json } from "@synth/core";
import type {
  Limit,
  SessionObject,
  SessionWarning,
  UsageRecord,
  WireMetric,
} from "@synth/core/api";
import type { Session, UsageEvent } from "../ledger/ledger.ts";
import {
  type LimitState,
  type Metric,
  METRICS,
  reached,
  remaining,
  used,
  warningsOf,
} from "../limits.ts";
import { isOnLimit, ON_LIMIT_KEY } from "../on_limit.ts";
import { wireAmount } from "../refusal.ts";
import { amountsBody, METRIC_OF } from "./amounts.ts";
import { isoTime, isoTimeOrNull } from "./times.ts";

/** What metadata of ours begins with; clients do not see it and cannot write it. */
export const OWN_METADATA = "synth.";

/** The wire's name of a metric. */
export const WIRE_METRIC_OF: Readonly<Record<Metric, WireMetric>> = {
  tokens: "tokens",
  cost: "cost_usd",
  gpu_time: "gpu_hours",
  api_calls: "api_calls",
};

/** A session. */
export function sessionBody(session: Session): SessionObject {
  const wish = session.metadata[ON_LIMIT_KEY];
  return {
    session_id: session.id,
    org_id: session.org,
    user_id: session.user,
    api_key_id: session.keyId,
    session_type: session.type,
    status: session.status,
    is_active: session.isActive,
    created_at: isoTime(session.createdAt),
    expires_at: isoTimeOrNull(session.expiresAt),
    ended_at: isoTimeOrNull(session.endedAt),
    last_seen_at: isoTime(session.seenAt),
    idle_seconds: session.idleMs === null ? null : session.idleMs / 1000,
    limit_exceeded_reason: exceededReason(session.limits),
    current_usage: amountsBody(session.used),
    limits: session.limits.map(limitBody),
    warnings: warningsOf(session.limits).map(warningBody),
    tracing_session_id: session.tracingSessionId,
    on_limit: isOnLimit(wish) ? wish : "auto",
    metadata: foreignMetadata(session.metadata),
  };
}

/** A limit. */
export function limitBody(limit: LimitState): Limit {
  const { metric } = limit;
  const exceeded = reached(limit);
  return {
    limit_id: limit.id,
    scope: limit.scope,
    limit_type: limit.kind === "soft"
      ? "soft"
      : limit.windowMs === null
      ? "hard"
      : "rolling_window",
    metric_type: WIRE_METRIC_OF[metric],
    limit_value: wireAmount(metric, limit.value),
    current_usage: wireAmount(metric, used(limit)),
    held: wireAmount(metric, limit.held),
    remaining: wireAmount(metric, remaining(limit)),
    overrun: wireAmount(metric, limit.overrun),
    warning_threshold: limit.warnPpm === null ? null : limit.warnPpm / 1_000_000,
    window_seconds: limit.windowMs === null ? null : limit.windowMs / 1000,
    exceeded,
    exceeded_reason: exceeded ? reasonOf(limit) : null,
    exceeded_at: null,
    created_at: null,
    expires_at: isoTimeOrNull(limit.expiresAt),
  };
}

/** A line of the journal; `metric` picks the one that is shown as `metric_value`. */
export function usageBody(event: UsageEvent, metric?: WireMetric): UsageRecord {
  const only = METRICS.filter((one) => event.amounts[one] > 0n);
  const shown = metric ??
    (only.length === 1 && only[0] !== undefined ? WIRE_METRIC_OF[only[0]] : undefined);
  const { detail } = event;
  return {
    id: event.id,
    kind: event.kind,
    session_id: event.sessionId,
    org_id: event.org,
    user_id: event.user,
    api_key_id: event.keyId,
    created_at: isoTime(event.at),
    model: event.model,
    price_version: event.priceVersion,
    amounts: amountsBody(event.amounts),
    overrun: amountsBody(event.overrun),
    expired: event.expired,
    estimated: detail?.estimated ?? false,
    input_tokens: detail?.inputTokens ?? null,
    cached_tokens: detail?.cachedTokens ?? null,
    output_tokens: detail?.outputTokens ?? null,
    reasoning_tokens: detail?.reasoningTokens ?? null,
    reference_type: event.referenceType,
    reference_id: event.kind === "record" ? event.id.slice("ref_".length) : null,
    metadata: foreignMetadata(event.metadata),
    ...(shown === undefined ? {} : {
      metric_type: shown,
      metric_value: wireAmount(METRIC_OF[shown], event.amounts[METRIC_OF[shown]]),
    }),
  };
}

function warningBody({ limit, reason }: ReturnType<typeof warningsOf>[number]): SessionWarning {
  return { limit_id: limit.id, metric_type: WIRE_METRIC_OF[limit.metric], reason };
}

function exceededReason(limits: readonly LimitState[]): string | null {
  const limit = limits.find((one) => one.kind === "hard" && reached(one));
  return limit === undefined ? null : reasonOf(limit);
}

function reasonOf(limit: LimitState): string {
  const { metric, value } = limit;
  const shown = metric === "cost" ? formatUsd(value) : String(wireAmount(metric, value));
  return `The ${WIRE_METRIC_OF[metric]} limit of ${shown} is reached`;
}

function foreignMetadata(metadata: Readonly<Record<string, Json>>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(metadata).filter(([name]) => !name.startsWith(OWN_METADATA)),
  );
}

/** Limits on the wire: what is asked for, and how one stands. @module */
import * as z from "zod";

/** What can be counted. `gpu_hours` are exact to the millisecond, `cost_usd` to a billionth of a dollar. */
export type WireMetric = "tokens" | "cost_usd" | "gpu_hours" | "api_calls";

/** `hard` refuses, `soft` warns, `rolling_window` refuses by what the last `window_seconds` used. */
export type WireLimitType = "hard" | "soft" | "rolling_window";

/** A decimal: a JSON number counts as its shortest decimal, a string as it is written. */
export type WireAmount = number | string;

/** A limit to be set. */
export interface LimitRequest {
  /** 1 to 64 of `[0-9A-Za-z_-]`, unique in its scope. Setting a limit of the same id again changes nothing. @default {made up} */
  limit_id?: string | null | undefined;
  limit_type: WireLimitType;
  metric_type: WireMetric;
  /** Not negative. 0 means zero. */
  limit_value: WireAmount;
  /** Warn from this share of the limit on, above 0 to 1; 0 or `null` never. */
  warning_threshold?: number | null | undefined;
  /** Required for `rolling_window`, allowed for `soft`. */
  window_seconds?: number | null | undefined;
  /** From this moment on (ISO 8601; UTC when it names no zone) the limit is ignored. */
  expires_at?: string | null | undefined;
}

/** A limit as it stands. Amounts are in the unit of `metric_type`. */
export interface Limit {
  limit_id: string;
  /** Whose spending it counts. */
  scope: "session" | "key" | "org";
  limit_type: WireLimitType;
  metric_type: WireMetric;
  limit_value: number;
  /** Everything that was reported or estimated, what went beyond the leases with it. */
  current_usage: number;
  /** What open leases hold. */
  held: number;
  /** What a new request could take; never negative. */
  remaining: number;
  /** The part of `current_usage` that went beyond its leases. */
  overrun: number;
  warning_threshold: number | null;
  window_seconds: number | null;
  /** Whether `current_usage` has come up to the limit. */
  exceeded: boolean;
  exceeded_reason: string | null;
  /** `null`: not known. */
  exceeded_at: string | null;
  /** `null`: not known. */
  created_at: string | null;
  expires_at: string | null;
}

/** A limit to be raised. */
export interface IncreaseRequest {
  metric_type: WireMetric;
  /** Above 0. */
  increase_by: WireAmount;
  /** Needed where several limits count the metric. */
  limit_id?: string | null | undefined;
}

/** All metrics, as the wire names them. */
export const WIRE_METRICS: readonly WireMetric[] = [
  "tokens",
  "cost_usd",
  "gpu_hours",
  "api_calls",
];

/** See {@linkcode WireMetric}. */
export const MetricSchema: z.ZodType<WireMetric> = z.enum([
  "tokens",
  "cost_usd",
  "gpu_hours",
  "api_calls",
]);

/** See {@linkcode WireAmount}. */
export const AmountSchema: z.ZodType<WireAmount> = z.union([z.number(), z.string().max(64)]);

/** ISO 8601, with a zone or in UTC. */
export const TimeSchema: z.ZodType<string> = z.iso.datetime({ offset: true, local: true });

/** See {@linkcode LimitRequest}. */
export const LimitRequestSchema: z.ZodType<LimitRequest> = z.strictObject({
  limit_id: z.string().regex(/^[0-9A-Za-z_-]{1,64}$/).nullish(),
  limit_type: z.enum(["hard", "soft", "rolling_window"]),
  metric_type: MetricSchema,
  limit_value: AmountSchema,
  warning_threshold: z.number().min(0).max(1).nullish(),
  window_seconds: z.number().min(1).max(31_622_400).nullish(),
  expires_at: TimeSchema.nullish(),
});

/** See {@linkcode Limit}. */
export const LimitSchema: z.ZodType<Limit> = z.object({
  limit_id: z.string(),
  scope: z.enum(["session", "key", "org"]),
  limit_type: z.enum(["hard", "soft", "rolling_window"]),
  metric_type: MetricSchema,
  limit_value: z.number(),
  current_usage: z.number(),
  held: z.number(),
  remaining: z.number(),
  overrun: z.number(),
  warning_threshold: z.number().nullable(),
  window_seconds: z.number().nullable(),
  exceeded: z.boolean(),
  exceeded_reason: z.string().nullable(),
  exceeded_at: z.string().nullable(),
  created_at: z.string().nullable(),
  expires_at: z.string().nullable(),
});

/** See {@linkcode IncreaseRequest}. */
export const IncreaseRequestSchema: z.ZodType<IncreaseRequest> = z.strictObject({
  metric_type: MetricSchema,
  increase_by: AmountSchema,
  limit_id: z.string().min(1).max(64).nullish(),
});

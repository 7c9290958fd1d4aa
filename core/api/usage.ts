/** Usage, prices and the caller itself on the wire. @module */
import * as z from "zod";
import type { Scope } from "../auth/principal.ts";
import type { Json } from "../errors.ts";
import {
  AmountSchema,
  type Limit,
  LimitSchema,
  MetricSchema,
  type WireAmount,
  type WireMetric,
} from "./limits.ts";
import { type UsageAmounts, UsageAmountsSchema } from "./sessions.ts";

/** Usage that comes without a lease. Either one metric and its value, or the amounts by name. */
export interface UsageRequest {
  /** Recorded once per session; 1 to 128 visible ASCII characters. @default {from the Idempotency-Key, else made up} */
  reference_id?: string | null | undefined;
  /** @default {"custom"} */
  reference_type?: "wall_clock_event" | "llm_call" | "api_call" | "custom" | null | undefined;
  metric_type?: WireMetric | null | undefined;
  metric_value?: WireAmount | null | undefined;
  tokens?: WireAmount | null | undefined;
  cost_usd?: WireAmount | null | undefined;
  gpu_hours?: WireAmount | null | undefined;
  gpu_seconds?: WireAmount | null | undefined;
  api_calls?: WireAmount | null | undefined;
  /** At most 16 KiB as JSON. */
  metadata?: Record<string, Json> | null | undefined;
}

/** One line of the usage journal. */
export interface UsageRecord {
  id: string;
  /** A lease that ended, or usage that was recorded. */
  kind: "lease" | "record";
  session_id: string | null;
  org_id: string;
  user_id: string;
  api_key_id: string;
  created_at: string;
  model: string | null;
  price_version: string | null;
  amounts: UsageAmounts;
  /** What went beyond the lease. */
  overrun: UsageAmounts;
  /** Charged at its lease's size because nobody settled it in time. */
  expired: boolean;
  /** The upstream did not report it. */
  estimated: boolean;
  input_tokens: number | null;
  cached_tokens: number | null;
  output_tokens: number | null;
  reasoning_tokens: number | null;
  reference_type: string | null;
  reference_id: string | null;
  metadata: Record<string, Json>;
  /** With `metric_type` in the query, or when only one metric was used: that one. */
  metric_type?: WireMetric | undefined;
  metric_value?: number | undefined;
}

/** Usage of one model, day, user or key. */
export interface UsageGroup {
  /** The model's name, the day (`YYYY-MM-DD`, UTC), the user or the key's id; `null` for usage without a model. */
  group: string | null;
  events: number;
  /** Events whose usage the upstream did not report, or that nobody settled in time. */
  estimated_events: number;
  amounts: UsageAmounts;
  overrun: UsageAmounts;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
}

/** Who is asking. */
export interface Me {
  org_id: string;
  user_id: string;
  key_id: string;
  scopes: Scope[];
  expires_at: string | null;
  /** Limits of the key and of the org. */
  limits: Limit[];
  /** What the key and the org used so far. */
  usage: { key: UsageAmounts; org: UsageAmounts };
  /** The session that requests without a session id belong to. */
  active_session_id: string | null;
}

/** USD per million tokens. */
export interface WireRates {
  above_input_tokens: number;
  input: number;
  cached_input: number;
  cache_write: number;
  output: number;
  reasoning: number;
}

/** A price. */
export interface WirePrice {
  /** Leases and usage records carry it. */
  version: string;
  free: boolean;
  /** USD for every call. */
  per_call: number;
  /** By rising input; a tier holds for the whole request. */
  tiers: WireRates[];
}

/** A line of the price book. */
export interface PriceLine {
  provider: string;
  model: string;
  /** From this day on, UTC. */
  effective: string;
  price: WirePrice;
  context_window: number | null;
  max_output_tokens: number | null;
}

/** What a configured model costs now. */
export interface ModelPrice {
  model: string;
  upstream: string;
  upstream_model: string;
  /** `null`: not known, which a cost limit refuses. */
  price: WirePrice | null;
  source: "config" | "price_book" | null;
}

/** The answer of `GET /api/v1/pricing`. */
export interface Pricing {
  version: string;
  unit: "USD per million tokens";
  models: ModelPrice[];
  prices: PriceLine[];
}

/** See {@linkcode UsageRequest}. */
export const UsageRequestSchema: z.ZodType<UsageRequest> = z.strictObject({
  reference_id: z.string().regex(/^[\x21-\x7e]{1,128}$/).nullish(),
  reference_type: z.enum(["wall_clock_event", "llm_call", "api_call", "custom"]).nullish(),
  metric_type: MetricSchema.nullish(),
  metric_value: AmountSchema.nullish(),
  tokens: AmountSchema.nullish(),
  cost_usd: AmountSchema.nullish(),
  gpu_hours: AmountSchema.nullish(),
  gpu_seconds: AmountSchema.nullish(),
  api_calls: AmountSchema.nullish(),
  metadata: z.record(z.string().max(256), z.json()).nullish(),
});

const count = z.number();

/** See {@linkcode UsageRecord}. */
export const UsageRecordSchema: z.ZodType<UsageRecord> = z.object({
  id: z.string(),
  kind: z.enum(["lease", "record"]),
  session_id: z.string().nullable(),
  org_id: z.string(),
  user_id: z.string(),
  api_key_id: z.string(),
  created_at: z.string(),
  model: z.string().nullable(),
  price_version: z.string().nullable(),
  amounts: UsageAmountsSchema,
  overrun: UsageAmountsSchema,
  expired: z.boolean(),
  estimated: z.boolean(),
  input_tokens: count.nullable(),
  cached_tokens: count.nullable(),
  output_tokens: count.nullable(),
  reasoning_tokens: count.nullable(),
  reference_type: z.string().nullable(),
  reference_id: z.string().nullable(),
  metadata: z.record(z.string(), z.json()),
  metric_type: MetricSchema.optional(),
  metric_value: count.optional(),
});

/** See {@linkcode UsageGroup}. */
export const UsageGroupSchema: z.ZodType<UsageGroup> = z.object({
  group: z.string().nullable(),
  events: count,
  estimated_events: count,
  amounts: UsageAmountsSchema,
  overrun: UsageAmountsSchema,
  input_tokens: count,
  cached_tokens: count,
  output_tokens: count,
  reasoning_tokens: count,
});

/** See {@linkcode Me}. */
export const MeSchema: z.ZodType<Me> = z.object({
  org_id: z.string(),
  user_id: z.string(),
  key_id: z.string(),
  scopes: z.array(z.enum(["infer", "sessions", "queue", "queue:command", "admin"])),
  expires_at: z.string().nullable(),
  limits: z.array(LimitSchema),
  usage: z.object({ key: UsageAmountsSchema, org: UsageAmountsSchema }),
  active_session_id: z.string().nullable(),
});

const price = z.object({
  version: z.string(),
  free: z.boolean(),
  per_call: count,
  tiers: z.array(z.object({
    above_input_tokens: count,
    input: count,
    cached_input: count,
    cache_write: count,
    output: count,
    reasoning: count,
  })),
});

/** See {@linkcode Pricing}. */
export const PricingSchema: z.ZodType<Pricing> = z.object({
  version: z.string(),
  unit: z.literal("USD per million tokens"),
  models: z.array(z.object({
    model: z.string(),
    upstream: z.string(),
    upstream_model: z.string(),
    price: price.nullable(),
    source: z.enum(["config", "price_book"]).nullable(),
  })),
  prices: z.array(z.object({
    provider: z.string(),
    model: z.string(),
    effective: z.string(),
    price,
    context_window: count.nullable(),
    max_output_tokens: count.nullable(),
  })),
});

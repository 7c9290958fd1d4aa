/** Sessions and their leases on the wire. @module */
import * as z from "zod";
import type { Json } from "../errors.ts";
import {
  AmountSchema,
  type Limit,
  type LimitRequest,
  LimitRequestSchema,
  LimitSchema,
  MetricSchema,
  TimeSchema,
  type WireAmount,
  type WireMetric,
} from "./limits.ts";

/** How a session's requests are refused: in the client's own shape, as a plain error, or as an assistant's message. */
export type WireOnLimit = "auto" | "error" | "message";

/** Derived from limits and times, for display. */
export type WireSessionStatus = "active" | "ended" | "limit_exceeded" | "expired";

/** A session to be opened. Every member may be left out. */
export interface SessionRequest {
  /** `sess_` and 26 of `[0-9a-z]`, made by the caller: sent again with the same body it changes nothing. */
  session_id?: string | null | undefined;
  /** Left out: the configured cost limit. An empty list: none. */
  limits?: LimitRequest[] | null | undefined;
  /** Requests of this org and user without a session id belong to it, and the one before ends. @default {true} */
  make_active?: boolean | null | undefined;
  /** `api_call`, `job`, `tracing_session`, `codex_agent`, `opencode_agent` or a word of your own. @default {"api_call"} */
  session_type?: string | null | undefined;
  tracing_session_id?: string | null | undefined;
  /** At most 16 KiB as JSON; names that begin with `synth.` are ours. */
  metadata?: Record<string, Json> | null | undefined;
  /** ISO 8601. Not together with `ttl_seconds`. @default {the configured time to live} */
  expires_at?: string | null | undefined;
  ttl_seconds?: number | null | undefined;
  /** Expire after so long without a request or heartbeat. */
  idle_seconds?: number | null | undefined;
  /** @default {"auto"} */
  on_limit?: WireOnLimit | null | undefined;
}

/** Amounts of everything that is counted. */
export interface UsageAmounts {
  tokens: number;
  cost_usd: number;
  gpu_hours: number;
  api_calls: number;
}

/** A limit that is worth a look. */
export interface SessionWarning {
  limit_id: string;
  metric_type: WireMetric;
  reason: "soft_limit_exceeded" | "warning_threshold_reached";
}

/** A session as it stands. Times are ISO 8601 in UTC. */
export interface SessionObject {
  session_id: string;
  org_id: string;
  user_id: string;
  api_key_id: string;
  session_type: string;
  status: WireSessionStatus;
  /** Whether requests of this org and user without a session id belong to it. */
  is_active: boolean;
  created_at: string;
  /** The earlier of its time to live and its idle time; `null` never. */
  expires_at: string | null;
  ended_at: string | null;
  last_seen_at: string;
  idle_seconds: number | null;
  limit_exceeded_reason: string | null;
  current_usage: UsageAmounts;
  limits: Limit[];
  warnings: SessionWarning[];
  tracing_session_id: string | null;
  on_limit: WireOnLimit;
  metadata: Record<string, Json>;
  /** Only in the answer that opened it: the session that it ended. */
  ended_session_id?: string | null | undefined;
}

/** GPU time, and money with it, to be set aside for a job. One of the two times. */
export interface LeaseRequest {
  gpu_hours?: WireAmount | null | undefined;
  gpu_seconds?: WireAmount | null | undefined;
  cost_usd?: WireAmount | null | undefined;
  /** When nobody settles it by then, all of it is charged. @default {the time asked for and a minute} */
  ttl_seconds?: number | null | undefined;
}

/** What a lease was used for. Nothing at all: everything that it holds. */
export interface LeaseUse {
  gpu_hours?: WireAmount | null | undefined;
  gpu_seconds?: WireAmount | null | undefined;
  cost_usd?: WireAmount | null | undefined;
}

/** The end of one lease and the beginning of the next. */
export interface LeaseRenewal extends LeaseRequest {
  /** What the lease was used for. @default {everything that it holds} */
  used?: LeaseUse | null | undefined;
}

/** A lease that was granted. */
export interface Lease {
  lease_id: string;
  session_id: string;
  state: "open";
  held: UsageAmounts;
  expires_at: string;
  limits: Limit[];
}

/** A lease that is over. */
export interface LeaseEnd {
  lease_id: string;
  session_id: string;
  state: "settled" | "released";
  /** It had been settled before: nothing was changed. */
  already: boolean;
  /** It had expired, or was not known: this corrected the books. */
  late: boolean;
  used: UsageAmounts;
  /** What was used beyond what was held. */
  overrun: UsageAmounts;
  limits: Limit[];
}

/** The answer of a renewal. */
export interface RenewedLease extends Lease {
  previous: LeaseEnd;
}

/** See {@linkcode SessionRequest}. */
export const SessionRequestSchema: z.ZodType<SessionRequest> = z.strictObject({
  session_id: z.string().max(64).nullish(),
  limits: z.array(LimitRequestSchema).max(32).nullish(),
  make_active: z.boolean().nullish(),
  session_type: z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/).nullish(),
  tracing_session_id: z.string().min(1).max(256).nullish(),
  metadata: z.record(z.string().max(256), z.json()).nullish(),
  expires_at: TimeSchema.nullish(),
  ttl_seconds: z.number().min(1).max(315_360_000).nullish(),
  idle_seconds: z.number().min(1).max(315_360_000).nullish(),
  on_limit: z.enum(["auto", "error", "message"]).nullish(),
});

/** See {@linkcode UsageAmounts}. */
export const UsageAmountsSchema: z.ZodType<UsageAmounts> = z.object({
  tokens: z.number(),
  cost_usd: z.number(),
  gpu_hours: z.number(),
  api_calls: z.number(),
});

/** See {@linkcode SessionObject}. */
export const SessionSchema: z.ZodType<SessionObject> = z.object({
  session_id: z.string(),
  org_id: z.string(),
  user_id: z.string(),
  api_key_id: z.string(),
  session_type: z.string(),
  status: z.enum(["active", "ended", "limit_exceeded", "expired"]),
  is_active: z.boolean(),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  ended_at: z.string().nullable(),
  last_seen_at: z.string(),
  idle_seconds: z.number().nullable(),
  limit_exceeded_reason: z.string().nullable(),
  current_usage: UsageAmountsSchema,
  limits: z.array(LimitSchema),
  warnings: z.array(z.object({
    limit_id: z.string(),
    metric_type: MetricSchema,
    reason: z.enum(["soft_limit_exceeded", "warning_threshold_reached"]),
  })),
  tracing_session_id: z.string().nullable(),
  on_limit: z.enum(["auto", "error", "message"]),
  metadata: z.record(z.string(), z.json()),
  ended_session_id: z.string().nullish(),
});

const used = {
  gpu_hours: AmountSchema.nullish(),
  gpu_seconds: AmountSchema.nullish(),
  cost_usd: AmountSchema.nullish(),
};
const asked = { ...used, ttl_seconds: z.number().min(1).max(604_800).nullish() };

/** See {@linkcode LeaseRequest}. */
export const LeaseRequestSchema: z.ZodType<LeaseRequest> = z.strictObject(asked);

/** See {@linkcode LeaseUse}. */
export const LeaseUseSchema: z.ZodType<LeaseUse> = z.strictObject(used);

/** See {@linkcode LeaseRenewal}. */
export const LeaseRenewalSchema: z.ZodType<LeaseRenewal> = z.strictObject({
  ...asked,
  used: LeaseUseSchema.nullish(),
});

const lease = {
  lease_id: z.string(),
  session_id: z.string(),
  state: z.literal("open"),
  held: UsageAmountsSchema,
  expires_at: z.string(),
  limits: z.array(LimitSchema),
};

/** See {@linkcode Lease}. */
export const LeaseSchema: z.ZodType<Lease> = z.object(lease);

/** See {@linkcode LeaseEnd}. */
export const LeaseEndSchema: z.ZodType<LeaseEnd> = z.object({
  lease_id: z.string(),
  session_id: z.string(),
  state: z.enum(["settled", "released"]),
  already: z.boolean(),
  late: z.boolean(),
  used: UsageAmountsSchema,
  overrun: UsageAmountsSchema,
  limits: z.array(LimitSchema),
});

/** See {@linkcode RenewedLease}. */
export const RenewedLeaseSchema: z.ZodType<RenewedLease> = z.object({
  ...lease,
  previous: LeaseEndSchema,
});

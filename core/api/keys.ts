/** API keys on the wire. @module */
import * as z from "zod";
import type { Scope } from "../auth/principal.ts";
import {
  type Limit,
  type LimitRequest,
  LimitRequestSchema,
  LimitSchema,
  TimeSchema,
} from "./limits.ts";

/** A key to be made. */
export interface KeyRequest {
  /** For people; at most 100 characters. */
  name?: string | null | undefined;
  /** Whom it speaks for; 1 to 128 of `[A-Za-z0-9_.@:-]`. @default {the caller's user} */
  user_id?: string | null | undefined;
  /** Only scopes that the caller's own key has. @default {["infer", "sessions"]} */
  scopes?: Scope[] | null | undefined;
  expires_at?: string | null | undefined;
  /** @default {none} */
  limits?: LimitRequest[] | null | undefined;
  /** Requests a minute; 0 means none. @default {the gateway's default} */
  requests_per_minute?: number | null | undefined;
  /** Streams at the same time; 0 means none. @default {the gateway's default} */
  max_streams?: number | null | undefined;
}

/** A key to be replaced. */
export interface RotateRequest {
  /** How long the old key still works, in seconds. @default {0} */
  grace_seconds?: number | null | undefined;
}

/** A key, without its text. */
export interface KeyObject {
  key_id: string;
  org_id: string;
  user_id: string;
  name: string;
  /** Its last four characters. */
  hint: string;
  scopes: Scope[];
  /** `replaced`: by a rotation, but it still works until `expires_at`. */
  status: "active" | "replaced" | "expired" | "revoked";
  created_at: string;
  expires_at: string | null;
  revoked_at: string | null;
  replaced_at: string | null;
  limits: Limit[];
  /** Requests a minute; `null`: the gateway's default. */
  requests_per_minute: number | null;
  /** Streams at the same time; `null`: the gateway's default. */
  max_streams: number | null;
}

/** A key that was just made. */
export interface NewKeyObject extends KeyObject {
  /** The key itself. It is shown this once. */
  key: string;
}

/** The answer of `DELETE /api/v1/keys/{key_id}`. */
export interface RevokedKey {
  key_id: string;
  revoked: boolean;
}

/** Limits that an org shall have. */
export interface OrgLimitsRequest {
  /** Each with a `limit_id`. */
  limits: LimitRequest[];
}

const scope = z.enum(["infer", "sessions", "queue", "queue:command", "admin"]);

/** See {@linkcode KeyRequest}. */
export const KeyRequestSchema: z.ZodType<KeyRequest> = z.strictObject({
  name: z.string().max(100).nullish(),
  user_id: z.string().regex(/^[A-Za-z0-9_.@:-]{1,128}$/).nullish(),
  scopes: z.array(scope).min(1).max(16).nullish(),
  expires_at: TimeSchema.nullish(),
  limits: z.array(LimitRequestSchema).max(32).nullish(),
  requests_per_minute: z.int().min(0).max(1_000_000).nullish(),
  max_streams: z.int().min(0).max(100_000).nullish(),
});

/** See {@linkcode RotateRequest}. */
export const RotateRequestSchema: z.ZodType<RotateRequest> = z.strictObject({
  grace_seconds: z.int().min(0).max(2_592_000).nullish(),
});

const key = {
  key_id: z.string(),
  org_id: z.string(),
  user_id: z.string(),
  name: z.string(),
  hint: z.string(),
  scopes: z.array(scope),
  status: z.enum(["active", "replaced", "expired", "revoked"]),
  created_at: z.string(),
  expires_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  replaced_at: z.string().nullable(),
  limits: z.array(LimitSchema),
  // Gateways of before these limits do not say.
  requests_per_minute: z.number().nullable().default(null),
  max_streams: z.number().nullable().default(null),
};

/** See {@linkcode KeyObject}. */
export const KeySchema: z.ZodType<KeyObject> = z.object(key);

/** See {@linkcode NewKeyObject}. */
export const NewKeySchema: z.ZodType<NewKeyObject> = z.object({ ...key, key: z.string() });

/** See {@linkcode RevokedKey}. */
export const RevokedKeySchema: z.ZodType<RevokedKey> = z.object({
  key_id: z.string(),
  revoked: z.boolean(),
});

/** See {@linkcode OrgLimitsRequest}. */
export const OrgLimitsRequestSchema: z.ZodType<OrgLimitsRequest> = z.strictObject({
  limits: z.array(LimitRequestSchema).max(32),
});

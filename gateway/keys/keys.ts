/** Keys: make, list, rotate, revoke. A key's text is in the answer that makes it, and nowhere else, ever. @module */
import { SynthError } from "@synth/core";
import {
  type KeyObject,
  type KeyRequest,
  KeyRequestSchema,
  type Limit,
  parseRequest,
  RotateRequestSchema,
} from "@synth/core/api";
import type { KeyRecord, MadeKey, NewKey, Scope } from "@synth/core/auth";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { limitSpecs } from "../sessions/api/limit_spec.ts";
import { nextLink, pageOf, queryOf } from "../sessions/api/page.ts";
import { ensureLimit, listLimits } from "../sessions/api/scope_limits.ts";
import { isoTime, isoTimeOrNull, parseTime } from "../sessions/api/times.ts";
import { limitBody } from "../sessions/api/wire.ts";
import type { LimitSpec, ScopeRef } from "../sessions/limits.ts";
import { askKeys, keyNotFound } from "./key_store.ts";

const FIELDS = [
  "name",
  "user_id",
  "scopes",
  "expires_at",
  "limits",
  "requests_per_minute",
  "max_streams",
];
const DEFAULT_SCOPES: readonly Scope[] = ["infer", "sessions"];

/** `POST /api/v1/keys`: 201. Its limits are in force before anyone has seen the key. */
export async function createKey(context: RequestContext, services: Services): Promise<Response> {
  const request = parseRequest(KeyRequestSchema, await readJson(context, {}), FIELDS);
  const limits = limitSpecs(request.limits ?? []);
  const options = newKeyOf(request, context);
  const made = await askKeys(services, (keys) => keys.create(options));
  const { org, keyId } = made.record;
  const set = await setLimits(services, { org, kind: "key", id: keyId }, limits);
  return json(newKeyBody(made, set, context), 201);
}

/** `GET /api/v1/keys`: newest first, ended ones for 30 days. `Link` has the cursor of the next page. */
export async function listKeys(context: RequestContext, services: Services): Promise<Response> {
  const { org } = context.principal;
  const query = queryOf(context);
  const { limit } = pageOf(query);
  const cursor = query.get("cursor");
  const page = await askKeys(
    services,
    (keys) => keys.list(org, { limit, ...(cursor === null ? {} : { cursor }) }),
  );
  const now = context.clock.now();
  const bodies = await Promise.all(
    page.keys.map(async (record) => keyBody(record, await limitsOf(services, record), now)),
  );
  const link = page.cursor === null
    ? {}
    : nextLink(context, { limit: String(limit), cursor: page.cursor });
  return json(bodies, 200, link);
}

/** `POST /api/v1/keys/{key_id}/rotate`: another key in its place, of the same id, scopes and limits. */
export async function rotateKey(context: RequestContext, services: Services): Promise<Response> {
  const request = parseRequest(RotateRequestSchema, await readJson(context, {}), ["grace_seconds"]);
  const graceMs = (request.grace_seconds ?? 0) * 1000;
  const made = await askKeys(
    services,
    (keys) => keys.rotate(context.principal.org, keyIdOf(context), { graceMs }),
  );
  return json(newKeyBody(made, await limitsOf(services, made.record), context));
}

/** `DELETE /api/v1/keys/{key_id}`: at once here, in other processes when their caches run out (30 s). */
export async function revokeKey(context: RequestContext, services: Services): Promise<Response> {
  const keyId = keyIdOf(context);
  const revoked = await askKeys(services, (keys) => keys.revoke(context.principal.org, keyId));
  if (!revoked) throw keyNotFound();
  return json({ key_id: keyId, revoked });
}

/** The key id of the path. */
export function keyIdOf(context: RequestContext): string {
  const keyId = context.params["id"] ?? "";
  if (!/^key_[0-9A-Za-z_-]{1,64}$/.test(keyId)) throw keyNotFound();
  return keyId;
}

function newKeyOf(request: KeyRequest, context: RequestContext): NewKey {
  const { org, user, scopes: own } = context.principal;
  const scopes = request.scopes ?? DEFAULT_SCOPES;
  const missing = scopes.find((scope) => !own.has(scope));
  if (missing !== undefined) {
    throw new SynthError(`A key cannot give away the scope "${missing}", which it does not have`, {
      code: "insufficient_scope",
      status: 403,
      param: "scopes",
      details: { required_scope: missing },
    });
  }
  const expiresAt = typeof request.expires_at === "string"
    ? parseTime(request.expires_at, "expires_at", "invalid_expiry")
    : null;
  if (expiresAt !== null && expiresAt <= context.clock.now()) {
    throw new SynthError("This time is over", {
      code: "invalid_expiry",
      status: 400,
      param: "expires_at",
    });
  }
  return {
    org,
    user: request.user_id ?? user,
    scopes,
    name: request.name ?? "",
    expiresAt,
    requestsPerMinute: request.requests_per_minute ?? null,
    maxStreams: request.max_streams ?? null,
  };
}

/** A key whose limits could not be set is ended: nobody has it, and nobody shall have it without them. */
async function setLimits(
  services: Services,
  ref: ScopeRef,
  limits: readonly LimitSpec[],
): Promise<Limit[]> {
  try {
    const set: Limit[] = [];
    for (const spec of limits) {
      set.push(limitBody((await ensureLimit(services, ref, spec, keyNotFound)).limit));
    }
    return set;
  } catch (error) {
    await askKeys(services, (keys) => keys.revoke(ref.org, ref.id)).catch(() => false);
    throw error;
  }
}

async function limitsOf(services: Services, { org, keyId }: KeyRecord): Promise<Limit[]> {
  if (services.ledger === null) return [];
  return await listLimits(services, { org, kind: "key", id: keyId }, keyNotFound);
}

function newKeyBody(made: MadeKey, limits: Limit[], context: RequestContext): KeyObject {
  return Object.assign(keyBody(made.record, limits, context.clock.now()), { key: made.key });
}

function keyBody(record: KeyRecord, limits: Limit[], now: number): KeyObject {
  return {
    key_id: record.keyId,
    org_id: record.org,
    user_id: record.user,
    name: record.name,
    hint: record.hint,
    scopes: [...record.scopes],
    status: statusOf(record, now),
    created_at: isoTime(record.createdAt),
    expires_at: isoTimeOrNull(record.expiresAt),
    revoked_at: isoTimeOrNull(record.revokedAt),
    replaced_at: isoTimeOrNull(record.replacedAt),
    limits,
    requests_per_minute: record.requestsPerMinute,
    max_streams: record.maxStreams,
  };
}

function statusOf(record: KeyRecord, now: number): KeyObject["status"] {
  if (record.revokedAt !== null) return "revoked";
  if (record.expiresAt !== null && record.expiresAt <= now) return "expired";
  return record.replacedAt === null ? "active" : "replaced";
}

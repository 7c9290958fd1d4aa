/** The limits of a key and of an org: what an operator sets, above whatever a session has. @module */
import { SynthError } from "@synth/core";
import { type Limit, OrgLimitsRequestSchema, parseRequest } from "@synth/core/api";
import { json } from "../http/json.ts";
import { readJson } from "../http/read_json.ts";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { limitSpecs, sameLimit } from "../sessions/api/limit_spec.ts";
import {
  addLimit,
  ensureLimit,
  limitConflict,
  listLimits,
  raiseLimit,
} from "../sessions/api/scope_limits.ts";
import type { ScopeRef } from "../sessions/limits.ts";
import { hasKey, keyNotFound } from "./key_store.ts";
import { keyIdOf } from "./keys.ts";

/** `GET /api/v1/keys/{key_id}/limits` */
export async function listKeyLimits(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return json(await listLimits(services, await keyScope(context, services), keyNotFound));
}

/** `POST /api/v1/keys/{key_id}/limits` */
export async function addKeyLimit(context: RequestContext, services: Services): Promise<Response> {
  return await addLimit(context, services, await keyScope(context, services), keyNotFound);
}

/** `POST /api/v1/keys/{key_id}/limits/increase` */
export async function raiseKeyLimit(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return await raiseLimit(context, services, await keyScope(context, services), keyNotFound);
}

/** `GET /api/v1/orgs/self/limits` */
export async function listOrgLimits(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return json(await listLimits(services, orgScope(context), orgNotFound));
}

/** `POST /api/v1/orgs/self/limits` */
export async function addOrgLimit(context: RequestContext, services: Services): Promise<Response> {
  return await addLimit(context, services, orgScope(context), orgNotFound);
}

/** `POST /api/v1/orgs/self/limits/increase` */
export async function raiseOrgLimit(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return await raiseLimit(context, services, orgScope(context), orgNotFound);
}

/**
 * `PUT /api/v1/orgs/self/limits`: sees to it that the org has these limits. Those that it has stay as they are, and no limit is taken away:
 * a request that was admitted under it could not be accounted for.
 */
export async function putOrgLimits(context: RequestContext, services: Services): Promise<Response> {
  const request = parseRequest(OrgLimitsRequestSchema, await readJson(context), ["limits"]);
  const nameless = request.limits.findIndex((limit) => !limit.limit_id);
  if (nameless !== -1) {
    throw new SynthError("Each limit needs a limit_id, so that sending it again adds none", {
      code: "invalid_limit",
      status: 400,
      param: `limits[${nameless}].limit_id`,
    });
  }
  const ref = orgScope(context);
  const specs = limitSpecs(request.limits);
  for (const spec of specs) {
    const { limit } = await ensureLimit(services, ref, spec, orgNotFound);
    if (!sameLimit(limit, spec)) throw limitConflict(spec.id);
  }
  const limits: Limit[] = await listLimits(services, ref, orgNotFound);
  return json(limits);
}

async function keyScope(context: RequestContext, services: Services): Promise<ScopeRef> {
  const { org, keyId: own } = context.principal;
  const id = keyIdOf(context);
  // The key of the environment is in no store.
  if (id !== own && !await hasKey(services, org, id)) throw keyNotFound();
  return { org, kind: "key", id };
}

function orgScope(context: RequestContext): ScopeRef {
  const { org } = context.principal;
  return { org, kind: "org", id: org };
}

function orgNotFound(): SynthError {
  return new SynthError("There is no such org", { code: "org_not_found", status: 404 });
}

/** Adding and raising limits, alike for sessions, keys and orgs. @module */
import { newId, SynthError } from "@synth/core";
import {
  IncreaseRequestSchema,
  type Limit,
  type LimitRequest,
  LimitRequestSchema,
  parseRequest,
} from "@synth/core/api";
import { json } from "../../http/json.ts";
import { readJson } from "../../http/read_json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import { type LimitSpec, type LimitState, MAX_LIMIT, type ScopeRef } from "../limits.ts";
import { METRIC_OF, parseAmount } from "./amounts.ts";
import { askLedger } from "./books.ts";
import { derivedId, idempotencyConflict, idempotencyKey } from "./idempotency.ts";
import { limitSpec, sameLimit } from "./limit_spec.ts";
import { limitBody } from "./wire.ts";

const FIELDS = [
  "limit_id",
  "limit_type",
  "metric_type",
  "limit_value",
  "warning_threshold",
  "window_seconds",
  "expires_at",
];

/** A scope's limits. @throws the error of `missing` when it is not known */
export async function listLimits(
  services: Services,
  ref: ScopeRef,
  missing: () => SynthError,
): Promise<Limit[]> {
  const scope = await askLedger(services, (ledger) => ledger.scope(ref));
  if (scope === null) throw missing();
  return scope.limits.map(limitBody);
}

/** Adds the limit of the body: 201, or 200 when it was there. */
export async function addLimit(
  context: RequestContext,
  services: Services,
  ref: ScopeRef,
  missing: () => SynthError,
): Promise<Response> {
  const key = idempotencyKey(context);
  const request = parseLimit(await readJson(context));
  const spec = limitSpec(request, {
    path: "",
    ...(key === null ? {} : { id: derivedId("limit_", context, [ref.kind, ref.id, key]) }),
  });
  const { limit, changed } = await ensureLimit(services, ref, spec, missing);
  if (sameLimit(limit, spec)) return json(limitBody(limit), changed ? 201 : 200);
  throw key !== null && limit.id !== request.limit_id
    ? idempotencyConflict()
    : limitConflict(spec.id);
}

/** Adds a limit unless there is one of its id. */
export async function ensureLimit(
  services: Services,
  ref: ScopeRef,
  spec: LimitSpec,
  missing: () => SynthError,
): Promise<{ limit: LimitState; changed: boolean }> {
  const added = await askLedger(services, (ledger) => ledger.addLimit(ref, spec));
  if (added === null) throw missing();
  return { limit: added.value, changed: added.changed };
}

/** Raises a limit of the scope by what the body says, once for each `Idempotency-Key`. */
export async function raiseLimit(
  context: RequestContext,
  services: Services,
  ref: ScopeRef,
  missing: () => SynthError,
): Promise<Response> {
  const key = idempotencyKey(context);
  const request = parseRequest(IncreaseRequestSchema, await readJson(context), [
    "metric_type",
    "increase_by",
    "limit_id",
  ]);
  const by = parseAmount(request.metric_type, request.increase_by, {
    round: "exact",
    max: MAX_LIMIT,
    code: "invalid_limit",
    param: "increase_by",
  });
  const scope = await askLedger(services, (ledger) => ledger.scope(ref));
  if (scope === null) throw missing();
  const metric = METRIC_OF[request.metric_type];
  const candidates = scope.limits.filter((limit) =>
    limit.metric === metric && (limit.id === (request.limit_id ?? limit.id))
  );
  const limit = theOne(candidates);
  const operationId = key === null
    ? newId("op_")
    : derivedId("op_", context, ["raise", ref.kind, ref.id, key]);
  const raised = await askLedger(
    services,
    (ledger) => ledger.raiseLimit(ref, { limitId: limit.id, by, operationId }),
  );
  if (raised === null) throw missing();
  return json(limitBody(raised.value));
}

/** The error for a limit id that stands for another limit. */
export function limitConflict(id: string): SynthError {
  return new SynthError(`The limit "${id}" is there, with other terms`, {
    code: "limit_conflict",
    status: 409,
    param: "limit_id",
    hint: "Raise it, or add a stricter one under another id",
  });
}

/** The limit that is meant: the only hard one, else the only one. */
function theOne(limits: readonly LimitState[]): LimitState {
  const hard = limits.filter((limit) => limit.kind === "hard");
  const [limit, other] = hard.length > 0 ? hard : limits;
  if (limit === undefined) {
    throw new SynthError("There is no such limit", {
      code: "limit_not_found",
      status: 400,
      hint: "Add one with POST to .../limits",
    });
  }
  if (other === undefined) return limit;
  throw new SynthError("Several limits count this metric", {
    code: "ambiguous_limit",
    status: 400,
    param: "limit_id",
    details: { limit_ids: limits.map((one) => one.id) },
    hint: "Name one by its limit_id",
  });
}

/** A body that is a limit. Whatever is wrong with it, the code is `invalid_limit`. */
function parseLimit(body: unknown): LimitRequest {
  try {
    return parseRequest(LimitRequestSchema, body, FIELDS);
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    const { param, hint } = error;
    throw new SynthError(error.message, {
      code: "invalid_limit",
      status: 400,
      ...(param === null ? {} : { param }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

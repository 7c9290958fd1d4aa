/** The usage of a session: what was counted, and counting what no gateway saw. @module */
import { newId, SynthError } from "@synth/core";
import {
  parseRequest,
  type UsageRequest,
  UsageRequestSchema,
  WIRE_METRICS,
  type WireAmount,
} from "@synth/core/api";
import { json } from "../../http/json.ts";
import { readJson } from "../../http/read_json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import { MAX_REQUEST_AMOUNT } from "../ledger/ledger.ts";
import { type Amounts, METRICS, NOTHING } from "../limits.ts";
import { METRIC_OF, parseAmount } from "./amounts.ts";
import { askLedger } from "./books.ts";
import { findSession, sessionNotFound } from "./find_session.ts";
import { derivedId, idempotencyKey } from "./idempotency.ts";
import { checkMetadata } from "./metadata.ts";
import { pageAnswer, pageOf, queryOf, wordOf } from "./page.ts";
import { usageBody } from "./wire.ts";

/** `GET /api/v1/sessions/{id}/usage`: newest first. `metric_type` picks what `metric_value` shows. */
export async function listSessionUsage(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const query = queryOf(context);
  const page = pageOf(query);
  const metric = wordOf(query, "metric_type", WIRE_METRICS);
  const session = await findSession(context, services);
  const events = await askLedger(
    services,
    (ledger) => ledger.listUsage(session.org, { ...page, sessionId: session.id }),
  );
  return pageAnswer(context, page, events.map((event) => usageBody(event, metric)));
}

/**
 * `POST /api/v1/sessions/{id}/usage`: 201, or 200 when this reference was recorded before. Also for a session that is over or out of budget:
 * what happened is counted.
 */
export async function recordUsage(context: RequestContext, services: Services): Promise<Response> {
  const key = idempotencyKey(context);
  const request = parseRequest(UsageRequestSchema, await readJson(context), [
    "reference_id",
    "reference_type",
    "metric_type",
    "metric_value",
    ...WIRE_METRICS,
    "gpu_seconds",
    "metadata",
  ]);
  const amounts = amountsOf(request);
  const metadata = checkMetadata(request.metadata);
  const session = await findSession(context, services);
  const { org, user, keyId } = context.principal;
  const referenceId = request.reference_id ??
    (key === null ? newId("use_") : derivedId("use_", context, ["usage", session.id, key]));
  const recorded = await askLedger(services, (ledger) =>
    ledger.recordUsage({
      org,
      sessionId: session.id,
      user,
      keyId,
      referenceId,
      referenceType: request.reference_type ?? "custom",
      amounts,
      metadata,
    }));
  if (recorded === null) throw sessionNotFound();
  const same = METRICS.every((metric) => recorded.value.amounts[metric] === amounts[metric]);
  if (same) return json(usageBody(recorded.value), recorded.changed ? 201 : 200);
  throw new SynthError("This reference was recorded with other amounts", {
    code: "idempotency_conflict",
    status: 409,
    param: "reference_id",
    hint: "Record what came on top of it under another reference_id",
  });
}

/** A measured amount may fall between two units: the larger one is counted, so that nothing is lost. */
export function measured(
  unit: Parameters<typeof parseAmount>[0],
  value: WireAmount,
  param: string,
): bigint {
  return parseAmount(unit, value, {
    round: "up",
    max: MAX_REQUEST_AMOUNT,
    code: "invalid_usage",
    param,
  });
}

function amountsOf(request: UsageRequest): Amounts {
  const amounts: Record<keyof Amounts, bigint> = { ...NOTHING };
  const given = WIRE_METRICS.filter((metric) => isGiven(request[metric]));
  const { metric_type, metric_value, gpu_seconds } = request;
  if (isGiven(metric_type) !== isGiven(metric_value)) {
    throw invalid("metric_type and metric_value belong together", "metric_type");
  }
  for (const metric of given) {
    amounts[METRIC_OF[metric]] = measured(metric, request[metric] ?? 0, metric);
  }
  if (isGiven(gpu_seconds)) {
    if (given.includes("gpu_hours")) {
      throw invalid("Give gpu_hours or gpu_seconds, not both", "gpu_seconds");
    }
    amounts.gpu_time = measured("gpu_seconds", gpu_seconds, "gpu_seconds");
  }
  if (isGiven(metric_type) && isGiven(metric_value)) {
    if (given.length > 0 || isGiven(gpu_seconds)) {
      throw invalid("Give metric_type and metric_value, or the amounts by name", "metric_type");
    }
    amounts[METRIC_OF[metric_type]] = measured(metric_type, metric_value, "metric_value");
  } else if (given.length === 0 && !isGiven(gpu_seconds)) {
    throw invalid("There is no amount to record", "metric_value");
  }
  return amounts;
}

function isGiven<T>(value: T | null | undefined): value is T {
  return value !== null && value !== undefined;
}

function invalid(message: string, param: string): SynthError {
  return new SynthError(message, { code: "invalid_usage", status: 400, param });
}

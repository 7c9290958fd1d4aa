/**
 * Leases for GPU time, which no request of ours measures: a job sets aside what it needs until its next heartbeat, and renews.
 *
 * @module
 */
import { newId, SynthError } from "@synth/core";
import {
  type Lease,
  type LeaseEnd,
  LeaseRenewalSchema,
  type LeaseRequest,
  LeaseRequestSchema,
  type LeaseUse,
  LeaseUseSchema,
  parseRequest,
} from "@synth/core/api";
import { json } from "../../http/json.ts";
import { readJson } from "../../http/read_json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import type { Grant, LeaseRef, Refusal, ReserveInput, Settled } from "../ledger/ledger.ts";
import { refusedBy } from "../ledger_calls.ts";
import { amounts } from "../limits.ts";
import { refusalError } from "../refusal.ts";
import { amountsBody } from "./amounts.ts";
import { askLedger } from "./books.ts";
import { findOpenSession, findSession, sessionNotActive, sessionNotFound } from "./find_session.ts";
import { derivedId, idempotencyConflict, idempotencyKey } from "./idempotency.ts";
import { measured } from "./session_usage.ts";
import { isoTime } from "./times.ts";
import { limitBody } from "./wire.ts";

const PREFIX = "gpulease_";
/** Leases of the gateway's own requests have another prefix: nobody gives those back through this door. */
const LEASE_ID = /^gpulease_[0-9a-v]{26,32}$/;
const FIELDS = ["gpu_hours", "gpu_seconds", "cost_usd", "ttl_seconds"];
const MINUTE_MS = 60_000;
const LONGEST_MS = 7 * 24 * 60 * MINUTE_MS;
const NO_DETAIL = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  estimated: false,
};

/** GPU time in milliseconds and money in nano-USD. */
interface Amount {
  readonly gpuTime: bigint;
  readonly cost: bigint;
}

/** `POST /api/v1/sessions/{id}/leases`: 201. Refused as a model request would be. */
export async function createLease(context: RequestContext, services: Services): Promise<Response> {
  const key = idempotencyKey(context);
  const request = parseRequest(LeaseRequestSchema, await readJson(context), FIELDS);
  const asked = askedOf(request);
  const session = await findOpenSession(context, services);
  const leaseId = key === null
    ? newId(PREFIX)
    : derivedId(PREFIX, context, ["lease", session.id, key]);
  const grant = await reserve(context, services, leaseId, session.id, asked, ttlOf(request, asked));
  return json(leaseBody(grant, session.id), 201);
}

/** `POST .../leases/{lease}/settle`: charges what was used, or all that is held when the body says nothing. */
export async function settleLease(context: RequestContext, services: Services): Promise<Response> {
  const use = parseRequest(LeaseUseSchema, await readJson(context, {}), FIELDS);
  const ref = await leaseOf(context, services);
  return json(await settle(services, ref, use));
}

/** `POST .../leases/{lease}/release`: gives it back unused. A lease that was settled stays so. */
export async function releaseLease(context: RequestContext, services: Services): Promise<Response> {
  const ref = await leaseOf(context, services);
  const { state } = await askLedger(services, (ledger) => ledger.release(ref));
  return json({ lease_id: ref.leaseId, session_id: ref.sessionId, state });
}

/**
 * `POST .../leases/{lease}/renew`: settles it and takes the next one. Sent again it gives the same next lease. When that is refused the lease
 * is settled all the same, and the job has to stop.
 */
export async function renewLease(context: RequestContext, services: Services): Promise<Response> {
  const request = parseRequest(LeaseRenewalSchema, await readJson(context), [...FIELDS, "used"]);
  const asked = askedOf(request);
  const ref = await leaseOf(context, services);
  const previous = await settle(services, ref, request.used ?? {}, "used.");
  const session = await findOpenSession(context, services);
  const next = derivedId(PREFIX, context, ["next", session.id, ref.leaseId]);
  const grant = await reserve(context, services, next, session.id, asked, ttlOf(request, asked));
  return json({ ...leaseBody(grant, session.id), previous });
}

async function reserve(
  context: RequestContext,
  services: Services,
  leaseId: string,
  sessionId: string,
  asked: Amount,
  ttlMs: number,
): Promise<Grant> {
  const { org, user, keyId } = context.principal;
  const input: ReserveInput = {
    leaseId,
    org,
    user,
    keyId,
    session: { kind: "id", id: sessionId },
    model: "gpu",
    priceVersion: "by_caller",
    inputBound: 0,
    prefixes: [],
    outputWanted: 0,
    outputMin: 0,
    rates: [{ aboveInput: 0, input: 0n, output: 0n }],
    fees: asked.cost,
    apiCalls: 0n,
    gpuTime: asked.gpuTime,
    ttlMs,
  };
  const outcome = await askLedger(services, (ledger) => ledger.reserve(input));
  if (!outcome.granted) throw await refused(outcome, context, services);
  if (outcome.ended) throw leaseEnded(leaseId);
  if (outcome.held.gpu_time === asked.gpuTime && outcome.held.cost === asked.cost) return outcome;
  throw idempotencyConflict();
}

async function refused(
  refusal: Refusal,
  context: RequestContext,
  services: Services,
): Promise<SynthError> {
  services.metrics.budgetRefused(...refusedBy(refusal));
  if (refusal.reason === "session_unknown") return sessionNotFound();
  if (refusal.reason === "session_ended" || refusal.reason === "session_expired") {
    return sessionNotActive(await findSession(context, services));
  }
  return refusalError(refusal, {
    client: "other",
    model: { name: "gpu", key: "gpu" },
    unmeterable: null,
    onLimit: "error",
    now: context.clock.now(),
  });
}

async function leaseOf(context: RequestContext, services: Services): Promise<LeaseRef> {
  const leaseId = context.params["lease"] ?? "";
  if (!LEASE_ID.test(leaseId)) {
    throw new SynthError("There is no such lease", { code: "lease_not_found", status: 404 });
  }
  const session = await findSession(context, services);
  return { leaseId, org: session.org, keyId: context.principal.keyId, sessionId: session.id };
}

async function settle(
  services: Services,
  ref: LeaseRef,
  use: LeaseUse,
  path = "",
): Promise<LeaseEnd> {
  const used = amountOf(use, path);
  const settled = await askLedger(services, (ledger) =>
    ledger.settle({
      lease: ref,
      actual: used === null ? "held" : amounts({ gpu_time: used.gpuTime, cost: used.cost }),
      detail: NO_DETAIL,
      remember: [],
      ifUnknown: "refuse",
    }));
  if (!settled.already) services.metrics.overran(settled.overrun);
  return endBody(ref, settled);
}

/** The error for a request that was sent again after its lease had ended: who went on would spend what nobody holds. */
function leaseEnded(leaseId: string): SynthError {
  return new SynthError(`The lease "${leaseId}" has ended`, {
    code: "lease_ended",
    status: 409,
    details: { lease_id: leaseId },
    hint: "Renew the last lease of the job, or take a new one with another Idempotency-Key",
  });
}

/** What is asked for; nothing is no lease. */
function askedOf(request: LeaseRequest): Amount {
  const asked = amountOf(request, "");
  if (asked !== null && (asked.gpuTime > 0n || asked.cost > 0n)) return asked;
  throw invalid("A lease needs gpu_seconds, gpu_hours or cost_usd above 0", "gpu_seconds");
}

function amountOf(use: LeaseUse, path: string): Amount | null {
  const { gpu_hours = null, gpu_seconds = null, cost_usd = null } = use;
  if (gpu_hours !== null && gpu_seconds !== null) {
    throw invalid("Give gpu_hours or gpu_seconds, not both", `${path}gpu_seconds`);
  }
  if (gpu_hours === null && gpu_seconds === null && cost_usd === null) return null;
  let gpuTime = 0n;
  if (gpu_hours !== null) gpuTime = measured("gpu_hours", gpu_hours, `${path}gpu_hours`);
  if (gpu_seconds !== null) gpuTime = measured("gpu_seconds", gpu_seconds, `${path}gpu_seconds`);
  const cost = cost_usd === null ? 0n : measured("cost_usd", cost_usd, `${path}cost_usd`);
  return { gpuTime, cost };
}

function ttlOf({ ttl_seconds }: LeaseRequest, asked: Amount): number {
  if (typeof ttl_seconds === "number") return Math.round(ttl_seconds * 1000);
  return Math.min(Number(asked.gpuTime) + MINUTE_MS, LONGEST_MS);
}

function leaseBody(grant: Grant, sessionId: string): Lease {
  return {
    lease_id: grant.lease.leaseId,
    session_id: sessionId,
    state: "open",
    held: amountsBody(grant.held),
    expires_at: isoTime(grant.expiresAt),
    limits: grant.limits.map(limitBody),
  };
}

function endBody(ref: LeaseRef, settled: Settled): LeaseEnd {
  return {
    lease_id: ref.leaseId,
    session_id: ref.sessionId ?? "",
    state: settled.state,
    already: settled.already,
    late: settled.late,
    used: amountsBody(settled.actual),
    overrun: amountsBody(settled.overrun),
    limits: settled.limits.map(limitBody),
  };
}

function invalid(message: string, param: string): SynthError {
  return new SynthError(message, { code: "invalid_usage", status: 400, param });
}

/** `POST /api/v1/sessions`. @module */
import { isSessionId, newSessionId, SynthError } from "@synth/core";
import { parseRequest, type SessionRequest, SessionRequestSchema } from "@synth/core/api";
import { json } from "../../http/json.ts";
import { readJson } from "../../http/read_json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import { defaultSession } from "../attach.ts";
import type { OpenedSession, OpenSession, SessionLedger, SessionSpec } from "../ledger/ledger.ts";
import { ON_LIMIT_KEY } from "../on_limit.ts";
import { askLedger } from "./books.ts";
import { derivedId, fingerprint, idempotencyConflict, idempotencyKey } from "./idempotency.ts";
import { limitSpecs } from "./limit_spec.ts";
import { checkMetadata } from "./metadata.ts";
import { parseTime } from "./times.ts";
import { sessionBody } from "./wire.ts";

/** Where a session keeps the fingerprint of the request that made it. */
const REQUEST_KEY = "synth.request";
const FIELDS = [
  "session_id",
  "limits",
  "make_active",
  "session_type",
  "tracing_session_id",
  "metadata",
  "expires_at",
  "ttl_seconds",
  "idle_seconds",
  "on_limit",
];

/** Opens a session: 201, or 200 when this request has opened it before. */
export async function createSession(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const key = idempotencyKey(context);
  const request = parseRequest(SessionRequestSchema, await readJson(context, {}), FIELDS);
  const named = sessionIdOf(request);
  const id = named ??
    (key === null
      ? newSessionId(context.clock.now())
      : derivedId("sess_", context, ["session", key]));
  const { org, user, keyId } = context.principal;
  const input: OpenSession = {
    org,
    user,
    keyId,
    makeActive: request.make_active ?? true,
    spec: specOf(request, id, context),
  };
  const { session, created, ended } = await askLedger(
    services,
    (ledger) => openOnce(ledger, input, named === null && key !== null),
  );
  context.fields["session_id"] = id;
  return json({ ...sessionBody(session), ended_session_id: ended }, created ? 201 : 200, {
    location: `/api/v1/sessions/${id}`,
  });
}

/** What the ledger compares changes with the clock and the configuration; a request that is sent again is known by its fingerprint. */
async function openOnce(
  ledger: SessionLedger,
  input: OpenSession,
  byKey: boolean,
): Promise<OpenedSession> {
  try {
    return await ledger.openSession(input);
  } catch (error) {
    if (!(error instanceof SynthError) || error.code !== "session_conflict") throw error;
    const there = await ledger.getSession(input.org, input.spec.id);
    const same = there !== null && there.user === input.user &&
      there.metadata[REQUEST_KEY] === input.spec.metadata[REQUEST_KEY];
    if (same) return { session: there, created: false, ended: null };
    throw byKey ? idempotencyConflict() : error;
  }
}

function sessionIdOf({ session_id }: SessionRequest): string | null {
  if (session_id === null || session_id === undefined) return null;
  if (isSessionId(session_id)) return session_id;
  throw new SynthError("A session id is sess_ and 26 of [0-9a-z]", {
    code: "invalid_session_id",
    status: 400,
    param: "session_id",
    hint: "Leave it out to have one made",
  });
}

function specOf(request: SessionRequest, id: string, context: RequestContext): SessionSpec {
  const defaults = defaultSession(context.snapshot.config.sessions);
  const { limits, on_limit, idle_seconds } = request;
  return {
    id,
    ttlMs: ttlOf(request, context.clock.now()) ?? defaults.ttlMs,
    idleMs: typeof idle_seconds === "number" ? Math.round(idle_seconds * 1000) : null,
    limits: limits === null || limits === undefined ? defaults.limits : limitSpecs(limits),
    type: request.session_type ?? defaults.type,
    tracingSessionId: request.tracing_session_id ?? null,
    metadata: {
      ...checkMetadata(request.metadata),
      ...(on_limit === null || on_limit === undefined ? {} : { [ON_LIMIT_KEY]: on_limit }),
      [REQUEST_KEY]: fingerprint(request),
    },
  };
}

function ttlOf({ ttl_seconds, expires_at }: SessionRequest, now: number): number | null {
  if (typeof expires_at !== "string") {
    return typeof ttl_seconds === "number" ? Math.round(ttl_seconds * 1000) : null;
  }
  if (typeof ttl_seconds === "number") {
    throw invalidExpiry("Give expires_at or ttl_seconds, not both");
  }
  // A session that ends before it begins would be refused at its first request, far from the mistake.
  const ttlMs = parseTime(expires_at, "expires_at", "invalid_expiry") - now;
  if (ttlMs > 0) return ttlMs;
  throw invalidExpiry("This time is over");
}

function invalidExpiry(message: string): SynthError {
  return new SynthError(message, { code: "invalid_expiry", status: 400, param: "expires_at" });
}

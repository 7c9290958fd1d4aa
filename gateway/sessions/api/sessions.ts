/** Sessions: list, get, end, heartbeat. @module */
import { json } from "../../http/json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import type { SessionQuery } from "../ledger/ledger.ts";
import { askLedger } from "./books.ts";
import {
  findSession,
  isOver,
  sessionIdOf,
  sessionNotActive,
  sessionNotFound,
} from "./find_session.ts";
import { idempotencyKey } from "./idempotency.ts";
import { pageAnswer, pageOf, queryOf, wordOf } from "./page.ts";
import { sessionBody } from "./wire.ts";

/** `GET /api/v1/sessions`: the org's, newest first. */
export async function listSessions(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const query = queryOf(context);
  const page = pageOf(query);
  const status = wordOf(query, "status", ["active", "ended", "limit_exceeded", "expired"]);
  const active = wordOf(query, "active", ["true", "false"]);
  const user = query.get("user_id");
  const asked: SessionQuery = {
    ...page,
    ...(status === undefined ? {} : { status }),
    ...(active === undefined ? {} : { active: active === "true" }),
    ...(user === null ? {} : { user }),
  };
  const found = await askLedger(
    services,
    (ledger) => ledger.listSessions(context.principal.org, asked),
  );
  return pageAnswer(context, page, found.map(sessionBody));
}

/** `GET /api/v1/sessions/{id}` */
export async function getSession(context: RequestContext, services: Services): Promise<Response> {
  return json(sessionBody(await findSession(context, services)));
}

/**
 * `POST /api/v1/sessions/{id}/end`. A session that is over is 400 `session_not_active`; with an `Idempotency-Key` one that has been ended is
 * given as it stands, so that a client which lost the first answer gets it.
 */
export async function endSession(context: RequestContext, services: Services): Promise<Response> {
  const repeatable = idempotencyKey(context) !== null;
  const session = await findSession(context, services);
  if (repeatable && session.status === "ended") return json(sessionBody(session));
  if (isOver(session)) throw sessionNotActive(session);
  const ended = await askLedger(
    services,
    (ledger) => ledger.endSession(session.org, session.id),
  );
  if (ended === null) throw sessionNotFound();
  if (!ended.changed && !repeatable) throw sessionNotActive(ended.value);
  return json(sessionBody(ended.value));
}

/** `POST /api/v1/sessions/{id}/heartbeat`: a sign of life, for sessions that expire when idle. */
export async function heartbeat(context: RequestContext, services: Services): Promise<Response> {
  const id = sessionIdOf(context);
  const session = await askLedger(
    services,
    (ledger) => ledger.heartbeat(context.principal.org, id),
  );
  if (session === null) throw sessionNotFound();
  if (isOver(session)) throw sessionNotActive(session);
  return json(sessionBody(session));
}

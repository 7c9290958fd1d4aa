/** The limits of a session. @module */
import { json } from "../../http/json.ts";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import type { Session } from "../ledger/ledger.ts";
import type { ScopeRef } from "../limits.ts";
import { findOpenSession, findSession, sessionNotFound } from "./find_session.ts";
import { addLimit, raiseLimit } from "./scope_limits.ts";
import { limitBody } from "./wire.ts";

/** `GET /api/v1/sessions/{id}/limits` */
export async function listSessionLimits(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  return json((await findSession(context, services)).limits.map(limitBody));
}

/** `POST /api/v1/sessions/{id}/limits` */
export async function addSessionLimit(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const session = await findOpenSession(context, services);
  return await addLimit(context, services, refOf(session), sessionNotFound);
}

/** `POST /api/v1/sessions/{id}/limits/increase` */
export async function raiseSessionLimit(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  const session = await findOpenSession(context, services);
  return await raiseLimit(context, services, refOf(session), sessionNotFound);
}

function refOf({ org, id }: Session): ScopeRef {
  return { org, kind: "session", id };
}

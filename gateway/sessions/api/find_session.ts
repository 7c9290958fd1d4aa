/** The session that a path names. @module */
import { isSessionId, SynthError } from "@synth/core";
import type { RequestContext } from "../../http/request_context.ts";
import type { Services } from "../../services.ts";
import type { Session } from "../ledger/ledger.ts";
import { askLedger } from "./books.ts";

/** The session id of the path. @throws {SynthError} 404 `session_not_found` when it has not the shape of one */
export function sessionIdOf(context: RequestContext): string {
  const id = context.params["id"] ?? "";
  if (!isSessionId(id)) throw sessionNotFound();
  return id;
}

/** The session, of the caller's org. @throws {SynthError} 404 `session_not_found` */
export async function findSession(context: RequestContext, services: Services): Promise<Session> {
  const id = sessionIdOf(context);
  const found = await askLedger(
    services,
    (ledger) => ledger.getSession(context.principal.org, id),
  );
  if (found === null) throw sessionNotFound();
  return found;
}

/** The session, which takes requests (a limit may be reached). @throws {SynthError} 404; 400 `session_not_active` */
export async function findOpenSession(
  context: RequestContext,
  services: Services,
): Promise<Session> {
  const session = await findSession(context, services);
  if (isOver(session)) throw sessionNotActive(session);
  return session;
}

/** Whether it takes no more requests, ever. */
export function isOver(session: Session): boolean {
  return session.status === "ended" || session.status === "expired";
}

/** The error for an id that is not one of this org's sessions. */
export function sessionNotFound(): SynthError {
  return new SynthError("There is no such session", { code: "session_not_found", status: 404 });
}

/** The error for a session that is over. */
export function sessionNotActive(session: Session): SynthError {
  return new SynthError(`The session is over: it has ${session.status}`, {
    code: "session_not_active",
    status: 400,
    details: { session_id: session.id, status: session.status },
    hint: "Open a new one with POST /api/v1/sessions",
  });
}

/** `POST /dashboard/end-session`: what an operator does about a session that runs away. @module */
import { isSessionId, SynthError } from "@synth/core";
import { requireScope } from "@synth/core/auth";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { askLedger } from "../sessions/api/books.ts";
import { isOver } from "../sessions/api/find_session.ts";
import { errorPage, signedInBrowser } from "./dashboard_page.tsx";
import { readForm } from "./forms.ts";
import { asKnown, redirect } from "./html.ts";
import { notSignedIn } from "./sign_in.ts";

/** Ends a session of the signed-in org, and shows the page again. Ending one that is over changes nothing and says so. */
export async function endSessionForm(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  try {
    const signedIn = await signedInBrowser(context, services);
    if (signedIn === null) throw notSignedIn();
    const form = await readForm(context, signedIn.token);
    requireScope(signedIn.principal, "sessions");
    const id = form.get("session_id") ?? "";
    if (!isSessionId(id)) throw badId();
    const kind = await end(services, signedIn.principal.org, id);
    context.fields["session_id"] = id;
    context.fields["outcome"] = kind;
    services.dashboard.reader.changed(signedIn.principal.org);
    return redirect(`/dashboard?${kind}=${id}`);
  } catch (error) {
    return errorPage(asKnown(context, error));
  }
}

async function end(
  services: Services,
  org: string,
  id: string,
): Promise<"ended" | "over" | "gone"> {
  const found = await askLedger(services, (ledger) => ledger.getSession(org, id));
  if (found === null) return "gone";
  if (isOver(found)) return "over";
  const ended = await askLedger(services, (ledger) => ledger.endSession(org, id));
  if (ended === null) return "gone";
  return ended.changed ? "ended" : "over";
}

function badId(): SynthError {
  return new SynthError("This is no session id", {
    code: "invalid_session_id",
    status: 400,
    param: "session_id",
  });
}

/** @jsxRuntime automatic */
/** @jsxImportSource hono/jsx */
/** `GET /dashboard`: the page, or the form to sign in. @module */
import { isSessionId, type SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import { requestUrl } from "../http/request_url.ts";
import type { Services } from "../services.ts";
import { FORM_COOKIE, isSecure, readCookie, setCookie, SIGN_IN_COOKIE } from "./cookies.ts";
import { formToken } from "./forms.ts";
import { asKnown, htmlAnswer } from "./html.ts";
import { randomToken, type SignIn } from "./sign_ins.ts";
import { DashboardView, type Notice } from "./views/dashboard_view.tsx";
import { ErrorView } from "./views/error_view.tsx";
import { SignInView } from "./views/sign_in_view.tsx";

/** Milliseconds that a form to sign in can be sent. */
const FORM_MS = 3_600_000;

/** The page. Everything on it is there without a script, as of now. */
export async function dashboardPage(
  context: RequestContext,
  services: Services,
): Promise<Response> {
  context.fields["quiet"] = true;
  try {
    const signedIn = await signedInBrowser(context, services);
    if (signedIn === null) return signInPage(context, null, 200);
    const sections = await sectionsFor(context, services, signedIn);
    const { principal, token } = signedIn;
    return htmlAnswer(String(
      <DashboardView
        org={principal.org}
        user={principal.user}
        formToken={formToken(token)}
        notice={noticeOf(context)}
        sections={sections}
        version={services.version}
      />,
    ));
  } catch (error) {
    return errorPage(asKnown(context, error));
  }
}

/** Who is signed in, noted for the log. */
export async function signedInBrowser(
  context: RequestContext,
  services: Services,
): Promise<SignIn | null> {
  const token = readCookie(context.request.headers, SIGN_IN_COOKIE);
  const signedIn = await services.dashboard.signIns.find(token);
  if (signedIn === null) return null;
  const { principal } = signedIn;
  context.principal = principal;
  context.fields["key_id"] = principal.keyId;
  context.fields["org"] = principal.org;
  return signedIn;
}

/** The sections that this browser may see. */
export async function sectionsFor(
  context: RequestContext,
  services: Services,
  { principal }: SignIn,
): Promise<ReadonlyMap<string, string>> {
  const { dashboard } = services;
  const admin = principal.scopes.has("admin");
  const view = await dashboard.reader.view(principal.org, { withKeys: admin });
  return dashboard.drawn.of(principal.org, {
    view,
    admin,
    running: dashboard.running(principal.org),
    now: context.clock.now(),
  });
}

/** The form to sign in, with why it is shown again. */
export function signInPage(
  context: RequestContext,
  problem: SynthError | null,
  status: number,
): Response {
  const { request } = context;
  const known = readCookie(request.headers, FORM_COOKIE);
  const token = known !== null && /^[A-Za-z0-9_-]{43}$/.test(known) ? known : randomToken();
  // A link on another site brings no strict cookie along; loading the page once more from here does.
  const again = problem === null && request.headers.get("sec-fetch-site") === "cross-site";
  const html = String(
    <SignInView formToken={formToken(token)} problem={problem} loadAgain={again} />,
  );
  return htmlAnswer(html, status, [setCookie(FORM_COOKIE, token, FORM_MS, isSecure(request))]);
}

/** What went wrong, for people. */
export function errorPage(error: SynthError): Response {
  const answer = htmlAnswer(String(<ErrorView error={error} />), error.status);
  for (const [name, value] of Object.entries(error.headers)) answer.headers.set(name, value);
  return answer;
}

/** What a form before this page did. It comes with the address, so only what has the right shape is repeated. */
function noticeOf(context: RequestContext): Notice | null {
  const query = requestUrl(context.request).searchParams;
  for (const kind of ["ended", "over", "gone"] as const) {
    const id = query.get(kind);
    if (id !== null && isSessionId(id)) return { kind, id };
  }
  return null;
}

/** `POST /dashboard/session` and `POST /dashboard/sign-out`. @module */
import { SynthError } from "@synth/core";
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { FORM_COOKIE, isSecure, readCookie, setCookie, SIGN_IN_COOKIE } from "./cookies.ts";
import { errorPage, signInPage } from "./dashboard_page.tsx";
import { readForm } from "./forms.ts";
import { asKnown, redirect } from "./html.ts";
import { SIGN_IN_MS } from "./sign_ins.ts";

/** Takes a key and gives a cookie that stands for it: never the key. A sign-in always makes a new one. */
export async function signIn(context: RequestContext, services: Services): Promise<Response> {
  const { headers } = context.request;
  try {
    const form = await readForm(context, readCookie(headers, FORM_COOKIE));
    const { signIns } = services.dashboard;
    const { principal, token } = await signIns.make((form.get("key") ?? "").trim());
    context.fields["key_id"] = principal.keyId;
    context.fields["org"] = principal.org;
    const before = readCookie(headers, SIGN_IN_COOKIE);
    if (before !== null) await signIns.end(before).catch(() => {});
    const secure = isSecure(context.request);
    return redirect("/dashboard", [
      setCookie(SIGN_IN_COOKIE, token, SIGN_IN_MS, secure),
      setCookie(FORM_COOKIE, "", 0, secure),
    ]);
  } catch (error) {
    const known = asKnown(context, error);
    return known.status === 401 || known.status === 403
      ? signInPage(context, known, known.status)
      : errorPage(known);
  }
}

/** Ends the sign-in here and in the store, and takes the cookie away. */
export async function signOut(context: RequestContext, services: Services): Promise<Response> {
  try {
    const token = readCookie(context.request.headers, SIGN_IN_COOKIE);
    if (token === null) return redirect("/dashboard");
    await readForm(context, token);
    await services.dashboard.signIns.end(token);
    const gone = setCookie(SIGN_IN_COOKIE, "", 0, isSecure(context.request));
    return redirect("/dashboard", [gone]);
  } catch (error) {
    return errorPage(asKnown(context, error));
  }
}

/** The error for a form whose sender is not signed in any more. */
export function notSignedIn(): SynthError {
  return new SynthError("You are not signed in", {
    code: "not_signed_in",
    status: 401,
    hint: "Sign in and try again",
  });
}

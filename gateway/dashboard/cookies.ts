/** The dashboard's two cookies. Neither ever holds a key. @module */

/** Says who is signed in. */
export const SIGN_IN_COOKIE = "synth_dashboard";
/** Belongs to the sign-in form, so that nobody else's page can send it. */
export const FORM_COOKIE = "synth_dashboard_form";

const PATH = "/dashboard";
const MAX_LENGTH = 4096;

/** The value of a cookie; `null` when there is none, or two that differ. */
export function readCookie(headers: Headers, name: string): string | null {
  const text = headers.get("cookie") ?? "";
  if (text.length > MAX_LENGTH) return null;
  const found = new Set<string>();
  for (const pair of text.split(";")) {
    const at = pair.indexOf("=");
    if (at !== -1 && pair.slice(0, at).trim() === name) found.add(pair.slice(at + 1).trim());
  }
  const [value] = found;
  return found.size === 1 && value !== undefined ? value : null;
}

/**
 * A `Set-Cookie`: out of reach of scripts and of other sites. An empty value takes the cookie away.
 *
 * @param maxAgeMs milliseconds that the browser keeps it
 */
export function setCookie(name: string, value: string, maxAgeMs: number, secure: boolean): string {
  const age = value === "" ? 0 : Math.floor(maxAgeMs / 1000);
  return `${name}=${value}; Path=${PATH}; Max-Age=${age}; HttpOnly; SameSite=Strict` +
    (secure ? "; Secure" : "");
}

/** Whether the browser came by https: a proxy in front may speak http to us, but the browser says in `Origin` what it speaks itself. */
export function isSecure(request: Request): boolean {
  return request.url.startsWith("https:") ||
    (request.headers.get("origin") ?? "").startsWith("https:");
}

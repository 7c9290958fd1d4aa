/** Headers of every answer. @module */

/** What a page may do that says nothing of its own: nothing. */
const NOTHING_ALLOWED = "default-src 'none'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** Adds what every answer has; what a handler has set stays. */
export function secure({ headers }: Response): void {
  headers.set("x-content-type-options", "nosniff");
  if (!headers.has("referrer-policy")) headers.set("referrer-policy", "no-referrer");
  if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  if (headers.get("content-type")?.startsWith("text/html") !== true) return;
  if (!headers.has("x-frame-options")) headers.set("x-frame-options", "DENY");
  if (!headers.has("content-security-policy")) {
    headers.set("content-security-policy", NOTHING_ALLOWED);
  }
}

/** Web pages on other origins: those that `[gateway] cors_origins` lists may call, and no other. @module */

/** What pages may send beside what every page may. */
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "x-api-key",
  "x-no-session",
  "x-request-id",
  "x-session-id",
  "x-synth-session-id",
].join(", ");
/** Seconds that a browser may remember the answer to a preflight. */
const MAX_AGE = "600";

/** The answer to a browser that asks whether a page may call, or `null` when it may not, or when nobody asks that. */
export function preflight(
  request: Request,
  allow: string,
  origins: readonly string[],
): Response | null {
  const { headers, method } = request;
  if (method !== "OPTIONS" || !headers.has("access-control-request-method")) return null;
  if (allowedOrigin(request, origins) === null) return null;
  return new Response(null, {
    status: 204,
    headers: {
      "access-control-allow-methods": allow,
      "access-control-allow-headers": REQUEST_HEADERS,
      "access-control-max-age": MAX_AGE,
    },
  });
}

/** Lets a listed page read the answer with all its headers. Cookies are never let through: those of the dashboard are for its own pages. */
export function admitPage(request: Request, response: Response, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const { headers } = response;
  if (!origins.includes("*")) headers.append("vary", "origin");
  const origin = allowedOrigin(request, origins);
  if (origin === null) return;
  const names = [...headers.keys(), "x-request-id"].filter((name) => name.startsWith("x-"));
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", [...new Set([...names, "retry-after"])].join(", "));
}

/** Whether a page that is not listed asks: where a browser does not keep it from reading the answer, as with WebSockets, we must. */
export function isForeignPage(request: Request, origins: readonly string[]): boolean {
  return request.headers.has("origin") && allowedOrigin(request, origins) === null;
}

function allowedOrigin(request: Request, origins: readonly string[]): string | null {
  const origin = request.headers.get("origin");
  if (origin === null) return null;
  if (origins.includes("*")) return "*";
  return origins.includes(origin) ? origin : null;
}

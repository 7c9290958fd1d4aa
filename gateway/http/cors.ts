/** Web pages on other origins: those that `[gateway] cors_origins` lists may call, and no other. @module */

/** What pages may send beside what every page may. */
const REQUEST_HEADERS = [
  "authorization",
  "content-type",
  "idempotency-key",
  "openai-beta",
  "openai-organization",
  "openai-project",
  "traceparent",
  "x-api-key",
  "x-client-request-id",
  "x-no-session",
  "x-request-id",
  "x-session-id",
  "x-synth-session-id",
];
/** What OpenAI's SDKs tell of themselves. */
const SDK_HEADER = /^x-stainless-[a-z0-9-]{1,64}$/;
/** Of these, as many as are answered for. */
const MOST_SDK_HEADERS = 32;
/** What pages may read beside all that begins with `x-`. */
const READABLE = ["link", "retry-after"];
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
      "access-control-allow-headers": [...REQUEST_HEADERS, ...sdkHeaders(headers)].join(", "),
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
  headers.set("access-control-expose-headers", [...new Set([...names, ...READABLE])].join(", "));
}

/** Whether a page that is not listed asks: where a browser does not keep it from reading the answer, as with WebSockets, we must. */
export function isForeignPage(request: Request, origins: readonly string[]): boolean {
  return request.headers.has("origin") && allowedOrigin(request, origins) === null;
}

function sdkHeaders(headers: Headers): string[] {
  const asked = headers.get("access-control-request-headers") ?? "";
  return asked.toLowerCase().split(",").map((name) => name.trim())
    .filter((name) => SDK_HEADER.test(name)).slice(0, MOST_SDK_HEADERS);
}

function allowedOrigin(request: Request, origins: readonly string[]): string | null {
  const origin = request.headers.get("origin");
  if (origin === null) return null;
  if (origins.includes("*")) return "*";
  return origins.includes(origin) ? origin : null;
}

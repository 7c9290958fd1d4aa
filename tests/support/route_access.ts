/**
 * Who may call each route of the gateway, written by hand and by itself: the route table is held against it. A new route needs a line here.
 *
 * @module
 */
import type { Scope } from "@synth/core/auth";
import type { Rec } from "./response_shape.ts";

/** Things of one org. */
export interface Ids {
  readonly session: string;
  readonly lease: string;
  readonly response: string;
  readonly key: string;
  readonly app: string;
  readonly model: string;
}

/** What is known of a route. */
export interface Access {
  readonly scope: Scope | "any" | null;
  /** What `:id` stands for. */
  readonly id?: keyof Ids;
  readonly body?: Rec | ((ids: Ids) => Rec);
  /** Status (and code of an error) with a key of the right scope and ids of its own org. */
  readonly own: string;
  /** The same with ids of another org. @default {as its own: there is no id in it} */
  readonly foreign?: string;
  /** The answer repeats the name that was asked for, which belongs to nobody. */
  readonly names?: boolean;
  readonly openLocally?: boolean;
  /** Why no key is asked for. */
  readonly reason?: string;
}

const ASK = { model: "synth-demo", input: "hi" };
const USE = { gpu_seconds: 1 };
const LIMIT = { limit_type: "hard", metric_type: "tokens", limit_value: 1_000_000 };
const RAISE = { metric_type: "gpu_hours", increase_by: 1 };

/** By `METHOD first-path`. */
export const ACCESS: ReadonlyMap<string, Access> = new Map<string, Access>([
  ["POST /v1/responses", { scope: "infer", body: ASK, own: "200" }],
  ["GET /v1/responses", { scope: "infer", own: "405 method_not_allowed" }],
  ["POST /v1/responses/input_tokens", { scope: "infer", body: ASK, own: "200" }],
  ["POST /v1/responses/compact", { scope: "infer", body: ASK, own: "200" }],
  ["GET /v1/responses/:id", {
    scope: "infer",
    id: "response",
    own: "200",
    foreign: "404 response_not_found",
  }],
  ["DELETE /v1/responses/:id", {
    scope: "infer",
    id: "response",
    own: "200",
    foreign: "404 response_not_found",
  }],
  ["POST /v1/responses/:id/cancel", {
    scope: "infer",
    id: "response",
    own: "400 response_not_background",
    foreign: "404 response_not_found",
  }],
  ["GET /v1/responses/:id/input_items", {
    scope: "infer",
    id: "response",
    own: "200",
    foreign: "404 response_not_found",
  }],
  ["POST /v1/responses/:id/submit_tool_outputs", {
    scope: "infer",
    id: "response",
    body: { tool_outputs: [{ tool_call_id: "c", output: "x" }] },
    own: "409 response_not_completed",
    foreign: "404 response_not_found",
  }],
  ["POST /v1/chat/completions", {
    scope: "infer",
    body: { model: "synth-demo", messages: [{ role: "user", content: "hi" }] },
    own: "200",
  }],
  ["GET /v1/models", { scope: "infer", own: "200" }],
  ["GET /v1/models/:id{.+}", { scope: "infer", id: "model", own: "200" }],
  ["GET /api/v1/me", { scope: "any", own: "200" }],
  ["GET /api/v1/pricing", { scope: "any", own: "200" }],
  ["GET /api/v1/usage", { scope: "sessions", own: "200" }],
  ["POST /api/v1/sessions", { scope: "sessions", body: { make_active: false }, own: "201" }],
  ["GET /api/v1/sessions", { scope: "sessions", own: "200" }],
  ["GET /api/v1/sessions/:id", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/end", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/heartbeat", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["GET /api/v1/sessions/:id/limits", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/limits", {
    scope: "sessions",
    id: "session",
    body: LIMIT,
    own: "201",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/limits/increase", {
    scope: "sessions",
    id: "session",
    body: RAISE,
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["GET /api/v1/sessions/:id/usage", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/usage", {
    scope: "sessions",
    id: "session",
    body: { reference_id: "r", reference_type: "custom", tokens: 1 },
    own: "201",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/leases", {
    scope: "sessions",
    id: "session",
    body: USE,
    own: "201",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/leases/:lease/settle", {
    scope: "sessions",
    id: "session",
    body: USE,
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/leases/:lease/release", {
    scope: "sessions",
    id: "session",
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/sessions/:id/leases/:lease/renew", {
    scope: "sessions",
    id: "session",
    body: USE,
    own: "200",
    foreign: "404 session_not_found",
  }],
  ["POST /api/v1/keys", { scope: "admin", body: { name: "n", scopes: ["admin"] }, own: "201" }],
  ["GET /api/v1/keys", { scope: "admin", own: "200" }],
  ["DELETE /api/v1/keys/:id", {
    scope: "admin",
    id: "key",
    own: "200",
    foreign: "404 key_not_found",
  }],
  ["POST /api/v1/keys/:id/rotate", {
    scope: "admin",
    id: "key",
    own: "200",
    foreign: "404 key_not_found",
  }],
  ["GET /api/v1/keys/:id/limits", {
    scope: "admin",
    id: "key",
    own: "200",
    foreign: "404 key_not_found",
  }],
  ["POST /api/v1/keys/:id/limits", {
    scope: "admin",
    id: "key",
    body: LIMIT,
    own: "201",
    foreign: "404 key_not_found",
  }],
  ["POST /api/v1/keys/:id/limits/increase", {
    scope: "admin",
    id: "key",
    body: RAISE,
    own: "400 limit_not_found",
    foreign: "404 key_not_found",
  }],
  ["GET /api/v1/orgs/self/limits", { scope: "admin", own: "200" }],
  ["PUT /api/v1/orgs/self/limits", {
    scope: "admin",
    body: { limits: [{ ...LIMIT, limit_id: "t" }] },
    own: "200",
  }],
  ["POST /api/v1/orgs/self/limits", { scope: "admin", body: LIMIT, own: "201" }],
  ["POST /api/v1/orgs/self/limits/increase", {
    scope: "admin",
    body: RAISE,
    own: "400 limit_not_found",
  }],
  ["GET /api/v1/registry/task-apps", { scope: "sessions", own: "200" }],
  ["GET /api/v1/registry/task-apps/:id", {
    scope: "sessions",
    id: "app",
    own: "200",
    foreign: "404 task_app_not_found",
  }],
  ["PUT /api/v1/registry/task-apps/:id", {
    scope: "sessions",
    id: "app",
    body: { url: "http://127.0.0.1:2" },
    own: "200",
    names: true,
  }],
  ["DELETE /api/v1/registry/task-apps/:id", {
    scope: "sessions",
    id: "app",
    own: "200",
    names: true,
  }],
  // No Cloudflare here: that no org gets at another's tunnels is shown beside them.
  ["POST /api/v1/tunnels", {
    scope: "sessions",
    body: { subdomain: "x", local_port: 8000, local_host: "127.0.0.1" },
    own: "501 tunnels_not_configured",
  }],
  ["GET /api/v1/tunnels", { scope: "sessions", own: "501 tunnels_not_configured" }],
  ["GET /api/v1/tunnels/:id", { scope: "sessions", id: "app", own: "501 tunnels_not_configured" }],
  ["DELETE /api/v1/tunnels/:id", {
    scope: "sessions",
    id: "app",
    own: "501 tunnels_not_configured",
  }],
  ["GET /api/v1/tunnels/:id/token", {
    scope: "sessions",
    id: "app",
    own: "501 tunnels_not_configured",
  }],
  ["POST /api/v1/tunnels/:id/rotate", {
    scope: "sessions",
    id: "app",
    own: "501 tunnels_not_configured",
  }],
  ["GET /health", {
    scope: null,
    own: "200",
    reason: "load balancers ask; it says whether the store answers",
  }],
  ["GET /metrics", { scope: "admin", own: "200", openLocally: true }],
  ["GET /openapi.json", {
    scope: null,
    own: "200",
    reason: "the description of the API, the same for all",
  }],
  ["GET /docs", { scope: null, own: "200", reason: "a page that shows /openapi.json" }],
  ["GET /dashboard", {
    scope: null,
    own: "200",
    reason: "without its cookie it is the form to sign in",
  }],
  ["GET /dashboard/events", {
    scope: null,
    own: "401 not_signed_in",
    reason: "its cookie is asked for",
  }],
  ["GET /dashboard/assets/:name", {
    scope: null,
    own: "404 not_found",
    reason: "style and script, the same for all",
  }],
  ["POST /dashboard/session", {
    scope: null,
    own: "403",
    reason: "where a key is shown to sign in",
  }],
  ["POST /dashboard/sign-out", {
    scope: null,
    own: "303",
    reason: "its cookie and a token are asked for",
  }],
  ["POST /dashboard/end-session", {
    scope: null,
    own: "401",
    reason: "its cookie and a token are asked for",
  }],
  ["POST /admin/reload", { scope: "admin", own: "409 reload_unavailable" }],
]);

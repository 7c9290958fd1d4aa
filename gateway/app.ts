/** Every route of the gateway, on one page. @module */
import { Hono } from "hono";
import { chatCompletions } from "./chat/chat_completions.ts";
import { dashboardAsset } from "./dashboard/assets.ts";
import { dashboardPage } from "./dashboard/dashboard_page.tsx";
import { endSessionForm } from "./dashboard/end_session.ts";
import { dashboardEvents } from "./dashboard/events.ts";
import { signIn, signOut } from "./dashboard/sign_in.ts";
import { health } from "./http/health.ts";
import { reload } from "./http/reload.ts";
import { requestUrl } from "./http/request_url.ts";
import {
  addKeyLimit,
  addOrgLimit,
  listKeyLimits,
  listOrgLimits,
  putOrgLimits,
  raiseKeyLimit,
  raiseOrgLimit,
} from "./keys/key_limits.ts";
import { createKey, listKeys, revokeKey, rotateKey } from "./keys/keys.ts";
import { metricsText } from "./metrics/metrics_route.ts";
import { getModel, listModels } from "./models/models.ts";
import { docsPage } from "./openapi/docs_page.ts";
import { openApi } from "./openapi/openapi.ts";
import { createResponse } from "./responses/create_response.ts";
import { compactResponse } from "./responses/compact_response.ts";
import { countInputTokens } from "./responses/count_input_tokens.ts";
import { responsesSocket } from "./responses/socket/responses_socket.ts";
import {
  cancelResponse,
  deleteResponse,
  getResponse,
  listInputItems,
} from "./responses/stored_responses.ts";
import { submitToolOutputs } from "./responses/submit_tool_outputs.ts";
import { announceTaskApp, getTaskApp, listTaskApps, removeTaskApp } from "./registry/task_apps.ts";
import type { FetchInfo } from "./options.ts";
import type { Route } from "./services.ts";
import { createSession } from "./sessions/api/create_session.ts";
import { createLease, releaseLease, renewLease, settleLease } from "./sessions/api/leases.ts";
import {
  addSessionLimit,
  listSessionLimits,
  raiseSessionLimit,
} from "./sessions/api/session_limits.ts";
import { listSessionUsage, recordUsage } from "./sessions/api/session_usage.ts";
import { endSession, getSession, heartbeat, listSessions } from "./sessions/api/sessions.ts";
import {
  createTunnel,
  deleteTunnel,
  getTunnel,
  getTunnelToken,
  listTunnels,
  rotateTunnel,
} from "./tunnels/tunnels.ts";
import { me } from "./usage/me.ts";
import { pricing } from "./usage/pricing.ts";
import { listUsage } from "./usage/usage.ts";

/** The same API under each: what OpenAI's clients, ours and the original's use. */
const PREFIXES = ["/v1", "/api/v1", "/api/synth-research", "/api/synth-research/v1"];
const RESPONSE = "/responses/:id";
const SESSIONS = "/api/v1/sessions";
const SESSION = `${SESSIONS}/:id`;
const LEASE = `${SESSION}/leases/:lease`;
const KEYS = "/api/v1/keys";
const KEY = `${KEYS}/:id`;
const ORG = "/api/v1/orgs/self";
const TASK_APPS = "/api/v1/registry/task-apps";
const TASK_APP = `${TASK_APPS}/:id`;
const TUNNELS = "/api/v1/tunnels";
const TUNNEL = `${TUNNELS}/:id`;
/** A trace id may stand before the last segments. */
const TRACE = ":trace{(?:trace|cid|eval)_[A-Za-z0-9._-]+}";

/** The table. */
export const ROUTES: readonly Route[] = [
  { method: "POST", paths: traced("/responses"), scope: "infer", handler: createResponse },
  { method: "GET", paths: traced("/responses"), scope: "infer", handler: responsesSocket },
  {
    method: "POST",
    paths: traced("/responses/input_tokens"),
    scope: "infer",
    handler: countInputTokens,
  },
  { method: "POST", paths: traced("/responses/compact"), scope: "infer", handler: compactResponse },
  { method: "GET", paths: traced(RESPONSE), scope: "infer", handler: getResponse },
  { method: "DELETE", paths: traced(RESPONSE), scope: "infer", handler: deleteResponse },
  { method: "POST", paths: traced(`${RESPONSE}/cancel`), scope: "infer", handler: cancelResponse },
  {
    method: "GET",
    paths: traced(`${RESPONSE}/input_items`),
    scope: "infer",
    handler: listInputItems,
  },
  {
    method: "POST",
    paths: traced(`${RESPONSE}/submit_tool_outputs`),
    scope: "infer",
    handler: submitToolOutputs,
  },
  { method: "POST", paths: traced("/chat/completions"), scope: "infer", handler: chatCompletions },
  { method: "GET", paths: prefixed("/models"), scope: "infer", handler: listModels },
  { method: "GET", paths: prefixed("/models/:id{.+}"), scope: "infer", handler: getModel },
  { method: "GET", paths: ["/api/v1/me"], scope: "any", handler: me },
  { method: "GET", paths: ["/api/v1/pricing"], scope: "any", handler: pricing },
  { method: "GET", paths: ["/api/v1/usage"], scope: "sessions", handler: listUsage },
  { method: "POST", paths: [SESSIONS], scope: "sessions", handler: createSession },
  { method: "GET", paths: [SESSIONS], scope: "sessions", handler: listSessions },
  { method: "GET", paths: [SESSION], scope: "sessions", handler: getSession },
  { method: "POST", paths: [`${SESSION}/end`], scope: "sessions", handler: endSession },
  { method: "POST", paths: [`${SESSION}/heartbeat`], scope: "sessions", handler: heartbeat },
  { method: "GET", paths: [`${SESSION}/limits`], scope: "sessions", handler: listSessionLimits },
  { method: "POST", paths: [`${SESSION}/limits`], scope: "sessions", handler: addSessionLimit },
  {
    method: "POST",
    paths: [`${SESSION}/limits/increase`],
    scope: "sessions",
    handler: raiseSessionLimit,
  },
  { method: "GET", paths: [`${SESSION}/usage`], scope: "sessions", handler: listSessionUsage },
  { method: "POST", paths: [`${SESSION}/usage`], scope: "sessions", handler: recordUsage },
  { method: "POST", paths: [`${SESSION}/leases`], scope: "sessions", handler: createLease },
  { method: "POST", paths: [`${LEASE}/settle`], scope: "sessions", handler: settleLease },
  { method: "POST", paths: [`${LEASE}/release`], scope: "sessions", handler: releaseLease },
  { method: "POST", paths: [`${LEASE}/renew`], scope: "sessions", handler: renewLease },
  { method: "POST", paths: [KEYS], scope: "admin", handler: createKey },
  { method: "GET", paths: [KEYS], scope: "admin", handler: listKeys },
  { method: "DELETE", paths: [KEY], scope: "admin", handler: revokeKey },
  { method: "POST", paths: [`${KEY}/rotate`], scope: "admin", handler: rotateKey },
  { method: "GET", paths: [`${KEY}/limits`], scope: "admin", handler: listKeyLimits },
  { method: "POST", paths: [`${KEY}/limits`], scope: "admin", handler: addKeyLimit },
  { method: "POST", paths: [`${KEY}/limits/increase`], scope: "admin", handler: raiseKeyLimit },
  { method: "GET", paths: [`${ORG}/limits`], scope: "admin", handler: listOrgLimits },
  { method: "PUT", paths: [`${ORG}/limits`], scope: "admin", handler: putOrgLimits },
  { method: "POST", paths: [`${ORG}/limits`], scope: "admin", handler: addOrgLimit },
  { method: "POST", paths: [`${ORG}/limits/increase`], scope: "admin", handler: raiseOrgLimit },
  { method: "GET", paths: [TASK_APPS], scope: "sessions", handler: listTaskApps },
  { method: "GET", paths: [TASK_APP], scope: "sessions", handler: getTaskApp },
  { method: "PUT", paths: [TASK_APP], scope: "sessions", handler: announceTaskApp },
  { method: "DELETE", paths: [TASK_APP], scope: "sessions", handler: removeTaskApp },
  { method: "POST", paths: slashed(TUNNELS), scope: "sessions", handler: createTunnel },
  { method: "GET", paths: slashed(TUNNELS), scope: "sessions", handler: listTunnels },
  { method: "GET", paths: slashed(TUNNEL), scope: "sessions", handler: getTunnel },
  { method: "DELETE", paths: slashed(TUNNEL), scope: "sessions", handler: deleteTunnel },
  { method: "GET", paths: slashed(`${TUNNEL}/token`), scope: "sessions", handler: getTunnelToken },
  { method: "POST", paths: slashed(`${TUNNEL}/rotate`), scope: "sessions", handler: rotateTunnel },
  { method: "GET", paths: ["/health"], scope: null, handler: health, whileDraining: true },
  {
    method: "GET",
    paths: ["/metrics"],
    scope: "admin",
    handler: metricsText,
    openLocally: true,
    whileDraining: true,
  },
  { method: "GET", paths: ["/openapi.json"], scope: null, handler: openApi },
  { method: "GET", paths: ["/docs"], scope: null, handler: docsPage },
  // The dashboard: its cookie says who is there, since a browser sends no key.
  { method: "GET", paths: ["/dashboard"], scope: null, handler: dashboardPage },
  { method: "GET", paths: ["/dashboard/events"], scope: null, handler: dashboardEvents },
  { method: "GET", paths: ["/dashboard/assets/:name"], scope: null, handler: dashboardAsset },
  { method: "POST", paths: ["/dashboard/session"], scope: null, handler: signIn },
  { method: "POST", paths: ["/dashboard/sign-out"], scope: null, handler: signOut },
  { method: "POST", paths: ["/dashboard/end-session"], scope: null, handler: endSessionForm },
  { method: "POST", paths: ["/admin/reload"], scope: "admin", handler: reload },
];

/** What runs a route: authentication, errors, the log line. */
export type Runner = (
  route: Route | "not_found" | { readonly allow: string },
  request: Request,
  params: Record<string, string>,
  info: FetchInfo,
) => Promise<Response>;

/** What a request brings along. */
interface Bindings extends FetchInfo {
  /** The request, where it asks for the head alone: then the router is asked for `GET`. */
  readonly head?: Request;
}

type Env = { Bindings: Bindings };

/** Routes without parameters, by method and path: what nearly every request asks for, found without the router. */
function plainRoutes(): Map<string, Route> {
  const plain = new Map<string, Route>();
  for (const route of ROUTES) {
    for (const path of route.paths) {
      if (!/[:*{]/.test(path)) plain.set(`${route.method} ${path}`, route);
    }
  }
  return plain;
}

/** The path of a URL as `Deno.serve` and Workers give it: absolute, and normal. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/** What answers requests by the table. */
export function createFetch(run: Runner): (
  request: Request,
  info: FetchInfo,
) => Response | Promise<Response> {
  const plain = plainRoutes();
  const app = createApp(run);
  return (request, info) => {
    const head = request.method === "HEAD";
    const route = plain.get(`${head ? "GET" : request.method} ${pathOf(request.url)}`);
    if (route !== undefined) return run(route, request, {}, info);
    // Hono would take the body of the answer away, and with it the length that the runtime tells of it.
    return head
      ? app.fetch(new Request(requestUrl(request)), { ...info, head: request })
      : app.fetch(request, info);
  };
}

/** Mounts the table. A path that is known under another method answers 405. */
export function createApp(run: Runner): Hono<Env> {
  const app = new Hono<Env>();
  const methods = new Map<string, string[]>();
  for (const route of ROUTES) {
    for (const path of route.paths) {
      app.on(
        route.method,
        path,
        (c) => run(route, c.env.head ?? c.req.raw, c.req.param(), c.env),
      );
      methods.set(path, [...(methods.get(path) ?? []), route.method]);
    }
  }
  for (const [path, allowed] of methods) {
    const allow = allowed.join(", ");
    app.all(path, (c) => run({ allow }, c.env.head ?? c.req.raw, {}, c.env));
  }
  app.all("*", (c) => run("not_found", c.env.head ?? c.req.raw, {}, c.env));
  return app;
}

function prefixed(path: string): string[] {
  return PREFIXES.map((prefix) => prefix + path);
}

/** With the slash at the end that the original's clients send, and without. */
function slashed(path: string): string[] {
  return [path, `${path}/`];
}

function traced(path: string): string[] {
  return [...prefixed(path), ...prefixed(`/${TRACE}${path}`)];
}

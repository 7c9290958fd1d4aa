/** Every route of the gateway, on one page. @module */
import { Hono } from "hono";
import type { Scope } from "@synth/core/auth";
import { chatCompletions } from "./chat/chat_completions.ts";
import { health } from "./http/health.ts";
import type { RequestContext } from "./http/request_context.ts";
import { reload } from "./http/reload.ts";
import { getModel, listModels } from "./models/models.ts";
import { docsPage } from "./openapi/docs_page.ts";
import { openApi } from "./openapi/openapi.ts";
import { createResponse } from "./responses/create_response.ts";
import { responsesSocket } from "./responses/responses_socket.ts";
import type { Services } from "./services.ts";

/** Answers one request, or throws a `SynthError`. */
export type Handler = (context: RequestContext, services: Services) => Response | Promise<Response>;

/** One line of the table. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly paths: readonly string[];
  /** What the key must be allowed to do; `any`: nothing more than to be valid; `null`: no key is asked for. */
  readonly scope: Scope | "any" | null;
  readonly handler: Handler;
}

/** The same API under each: what OpenAI's clients, ours and the original's use. */
const PREFIXES = ["/v1", "/api/v1", "/api/synth-research", "/api/synth-research/v1"];
/** A trace id may stand before the last segments. */
const TRACE = ":trace{(?:trace|cid|eval)_[A-Za-z0-9._-]+}";

/** The table. */
export const ROUTES: readonly Route[] = [
  { method: "POST", paths: traced("/responses"), scope: "infer", handler: createResponse },
  { method: "GET", paths: traced("/responses"), scope: null, handler: responsesSocket },
  { method: "POST", paths: traced("/chat/completions"), scope: "infer", handler: chatCompletions },
  { method: "GET", paths: prefixed("/models"), scope: "infer", handler: listModels },
  { method: "GET", paths: prefixed("/models/:id{.+}"), scope: "infer", handler: getModel },
  { method: "GET", paths: ["/health"], scope: null, handler: health },
  { method: "GET", paths: ["/openapi.json"], scope: null, handler: openApi },
  { method: "GET", paths: ["/docs"], scope: null, handler: docsPage },
  { method: "POST", paths: ["/admin/reload"], scope: "admin", handler: reload },
];

/** What runs a route: authentication, errors, the log line. */
export type Runner = (
  route: Route | "not_found" | { readonly allow: string },
  request: Request,
  params: Record<string, string>,
  waitUntil: ((promise: Promise<unknown>) => void) | undefined,
) => Promise<Response>;

/** What a request brings along. */
type Env = {
  Bindings: { readonly waitUntil?: (promise: Promise<unknown>) => void };
};

/** Mounts the table. A path that is known under another method answers 405. */
export function createApp(run: Runner): Hono<Env> {
  const app = new Hono<Env>();
  const methods = new Map<string, string[]>();
  for (const route of ROUTES) {
    for (const path of route.paths) {
      app.on(
        route.method,
        path,
        (c) => run(route, c.req.raw, c.req.param(), c.env.waitUntil),
      );
      methods.set(path, [...(methods.get(path) ?? []), route.method]);
    }
  }
  for (const [path, allowed] of methods) {
    const allow = allowed.join(", ");
    app.all(path, (c) => run({ allow }, c.req.raw, {}, c.env.waitUntil));
  }
  app.all("*", (c) => run("not_found", c.req.raw, {}, c.env.waitUntil));
  return app;
}

function prefixed(path: string): string[] {
  return PREFIXES.map((prefix) => prefix + path);
}

function traced(path: string): string[] {
  return [...prefixed(path), ...prefixed(`/${TRACE}${path}`)];
}

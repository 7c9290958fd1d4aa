/**
 * Cloudflare's API as far as managed tunnels need it, on loopback, from its published description: envelopes, ids, what refuses to be made twice or
 * removed while it is used. It can fail in every way at every step.
 *
 * @module
 */
import type { Rec } from "./response_shape.ts";

/** How a request is treated. */
export type CloudflareFault =
  | "400"
  | "403"
  | "404"
  | "429"
  | "500"
  /** Carried out, then 502 with a web page. */
  | "done_502"
  /** Carried out, then an answer that is no JSON. */
  | "done_garbage"
  /** Not carried out; 200 with `success: false`. */
  | "unsuccessful"
  /** Never answered, not carried out. */
  | "hang"
  /** Never answered, carried out. */
  | "done_hang"
  /** 302 to somewhere else. */
  | "redirect";

/** A request as it came. */
export interface CloudflareRequest {
  readonly line: string;
  readonly query: Rec;
  readonly body: Rec | null;
}

/** What there is in the account. */
export type CloudflareState = Readonly<Record<Kind, Map<string, Rec>>>;

/** A running double. */
export interface CloudflareDouble extends AsyncDisposable {
  /** For `[tunnels] api_url`. */
  readonly url: string;
  readonly state: CloudflareState;
  readonly requests: CloudflareRequest[];
  /** Treats the next so many requests whose line matches so. */
  fail(line: RegExp, fault: CloudflareFault, times?: number): void;
  /** Forgets the faults. */
  heal(): void;
  /** Resolves when a request whose line matches is left hanging. */
  hung(): Promise<void>;
  /** How many things there are. */
  size(): number;
}

type Kind = "cfd_tunnel" | "access/service_tokens" | "access/policies" | "access/apps" | "record";

/** What the double knows as valid. */
export const CLOUDFLARE = {
  account: "a".repeat(32),
  zone: "b".repeat(32),
  token: "cf-token-0123456789-secret",
  domain: "tunnels.example.com",
} as const;

const ACCOUNT = `/accounts/${CLOUDFLARE.account}/`;
const RECORDS = `/zones/${CLOUDFLARE.zone}/dns_records`;

/** Starts one. */
export function startCloudflare(): CloudflareDouble {
  const state: CloudflareState = {
    "cfd_tunnel": new Map(),
    "access/service_tokens": new Map(),
    "access/policies": new Map(),
    "access/apps": new Map(),
    "record": new Map(),
  };
  const requests: CloudflareRequest[] = [];
  let faults: { line: RegExp; fault: CloudflareFault; times: number }[] = [];
  const closing = Promise.withResolvers<void>();
  let hanging = Promise.withResolvers<void>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request) => {
      const url = new URL(request.url);
      const path = url.pathname.replace(/^\/client\/v4/, "");
      const text = await request.text();
      const body = text === "" ? null : JSON.parse(text) as Rec;
      const line = `${request.method} ${path}`;
      requests.push({ line, query: Object.fromEntries(url.searchParams), body });
      if (request.headers.get("authorization") !== `Bearer ${CLOUDFLARE.token}`) {
        return refusal(403, 10000, "Authentication error");
      }
      const found = faults.find((one) => one.times > 0 && one.line.test(line));
      if (found !== undefined) found.times--;
      const fault = found?.fault ?? null;
      const done = fault === null || fault.startsWith("done_");
      const answer = done ? handle(state, request.method, path, url.searchParams, body) : null;
      if (fault === null) return answer ?? refusal(404, 7003, "Could not route");
      await answer?.body?.cancel();
      if (fault === "hang" || fault === "done_hang") {
        hanging.resolve();
        hanging = Promise.withResolvers();
        const gone = new Promise<void>((resolve) =>
          request.signal.addEventListener("abort", () => resolve())
        );
        await Promise.race([gone, closing.promise]);
        return new Response(null, { status: 500 });
      }
      return failed(fault);
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/client/v4`,
    state,
    requests,
    fail: (line, fault, times = 1) => void faults.push({ line, fault, times }),
    heal: () => void (faults = []),
    hung: () => hanging.promise,
    size: () => Object.values(state).reduce((sum, things) => sum + things.size, 0),
    async [Symbol.asyncDispose]() {
      closing.resolve();
      await server.shutdown();
    },
  };
}

function failed(fault: CloudflareFault): Response {
  if (fault === "done_502") return new Response("<html>Bad gateway</html>", { status: 502 });
  if (fault === "done_garbage") return new Response('{"result": {"id"');
  if (fault === "unsuccessful") return refusal(200, 1000, "Not now");
  if (fault === "redirect") {
    return new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/" } });
  }
  if (fault === "429") return refusal(429, 971, "Rate limited", { "retry-after": "1" });
  // What Cloudflare says could hold anything, so it must never be passed on.
  return refusal(Number(fault), 1004, `Failed for ${CLOUDFLARE.token}`);
}

function handle(
  state: CloudflareState,
  method: string,
  path: string,
  query: URLSearchParams,
  body: Rec | null,
): Response | null {
  if (path.startsWith(RECORDS)) {
    return collection(state, "record", method, path.slice(RECORDS.length + 1), query, body);
  }
  if (!path.startsWith(ACCOUNT)) return null;
  const rest = path.slice(ACCOUNT.length);
  for (const kind of ["cfd_tunnel", "access/service_tokens", "access/policies", "access/apps"]) {
    if (rest !== kind && !rest.startsWith(`${kind}/`)) continue;
    return collection(state, kind as Kind, method, rest.slice(kind.length + 1), query, body);
  }
  return null;
}

function collection(
  state: CloudflareState,
  kind: Kind,
  method: string,
  rest: string,
  query: URLSearchParams,
  body: Rec | null,
): Response | null {
  const things = state[kind];
  const [id = "", verb = ""] = rest.split("/");
  if (id === "") {
    if (method === "GET") return list(kind, [...things.values()], query);
    return method === "POST" ? create(state, kind, body ?? {}) : null;
  }
  const thing = things.get(id);
  if (thing === undefined) return refusal(404, 1003, "Not found");
  if (verb === "") {
    if (method === "DELETE") return remove(state, kind, id, thing);
    if (method === "PATCH") {
      things.set(id, { ...thing, ...body });
      return success(thing);
    }
    return method === "GET" ? success(thing) : null;
  }
  return tunnelVerb(things, method, id, thing, verb, body) ??
    tokenVerb(things, method, id, thing, verb);
}

function tunnelVerb(
  things: Map<string, Rec>,
  method: string,
  id: string,
  thing: Rec,
  verb: string,
  body: Rec | null,
): Response | null {
  if (verb === "token" && method === "GET") {
    return success(btoa(JSON.stringify({ t: id, s: thing["tunnel_secret"] ?? "first" })));
  }
  if (verb === "configurations" && method === "PUT") {
    const config = (body?.["config"] ?? {}) as { ingress?: Rec[] };
    const last = config.ingress?.at(-1);
    if (last === undefined || "hostname" in last) return refusal(400, 1056, "Bad config");
    things.set(id, { ...thing, config });
    return success({ tunnel_id: id, config });
  }
  if (verb === "connections" && method === "DELETE") {
    things.set(id, { ...thing, connected: false });
    return success({});
  }
  return null;
}

function tokenVerb(
  things: Map<string, Rec>,
  method: string,
  id: string,
  thing: Rec,
  verb: string,
): Response | null {
  if (method !== "POST" || (verb !== "rotate" && verb !== "refresh")) return null;
  const secret = verb === "rotate" ? { client_secret: random("secret") } : {};
  const changed = { ...thing, ...secret, expires_at: "2031-01-01T00:00:00Z" };
  things.set(id, changed);
  return success(changed);
}

function create(state: CloudflareState, kind: Kind, body: Rec): Response {
  const things = state[kind];
  const same = (member: string): boolean =>
    [...things.values()].some((one) => one[member] === body[member]);
  if (kind === "record") {
    if (same("name")) return refusal(400, 81053, "A record with that host already exists.");
    if (!/^[0-9a-f-]{36}\.cfargotunnel\.com$/.test(String(body["content"]))) {
      return refusal(400, 9007, "Content is invalid.");
    }
  }
  if (kind === "cfd_tunnel" && same("name")) return refusal(409, 1013, "Name in use");
  if (kind === "access/apps" && same("domain")) return refusal(400, 12130, "Domain in use");
  const id = crypto.randomUUID();
  const made: Rec = { ...body, id };
  if (kind === "access/service_tokens") {
    Object.assign(made, {
      client_id: `${random("id")}.access`,
      client_secret: random("secret"),
      expires_at: "2030-01-01T00:00:00Z",
    });
  }
  if (kind === "cfd_tunnel") Object.assign(made, { deleted_at: null, connected: true });
  things.set(id, made);
  return success(made);
}

function remove(state: CloudflareState, kind: Kind, id: string, thing: Rec): Response {
  const uses = (text: string): boolean =>
    [...state["access/apps"].values()].some((app) =>
      JSON.stringify(app["policies"]).includes(text)
    );
  if (kind === "access/policies" && uses(id)) return refusal(400, 12132, "Policy is in use");
  if (kind === "cfd_tunnel" && thing["connected"] === true) {
    return refusal(400, 1022, "Tunnel has active connections");
  }
  state[kind].delete(id);
  return success({ id });
}

function list(kind: Kind, all: Rec[], query: URLSearchParams): Response {
  const name = kind === "record" ? query.get("name.exact") : query.get("name");
  // Policies are not filtered by name.
  const named = name === null || kind === "access/policies"
    ? all
    : all.filter((one) => one["name"] === name);
  const size = Number(query.get("per_page") ?? 20);
  const page = Number(query.get("page") ?? 1);
  return success(named.slice((page - 1) * size, page * size));
}

function success(result: unknown): Response {
  return Response.json({ success: true, errors: [], messages: [], result });
}

function refusal(
  status: number,
  code: number,
  message: string,
  headers: Record<string, string> = {},
): Response {
  const body = { success: false, errors: [{ code, message }], messages: [], result: null };
  return Response.json(body, { status, headers });
}

function random(prefix: string): string {
  return prefix + crypto.randomUUID().replaceAll("-", "");
}

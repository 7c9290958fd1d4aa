/**
 * Who may call what: the route table against an explicit list. A route that is new, gone, or opened to others fails here until its line is written.
 */
import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { SynthError } from "@synth/core";
import { type Principal, requireScope, type Scope, SCOPES } from "@synth/core/auth";
import { ROUTES } from "../gateway/app.ts";
import type { Route } from "../gateway/services.ts";
import { FULL_ORIGIN, type FullGateway, startFullGateway } from "./support/full_gateway.ts";
import { ACCESS, type Access, type Ids } from "./support/route_access.ts";

/** One org with something of everything. */
interface Tenant {
  readonly org: string;
  /** A key with all scopes. */
  readonly key: string;
  readonly ids: Ids;
}

function nameOf(route: Route): string {
  return `${route.method} ${route.paths[0]}`;
}

/** The path with ids for its parameters. */
function fill(path: string, access: Access, ids: Ids): string {
  return path.replace(/:trace\{[^/]+\}/, "trace_1")
    .replace(":lease", ids.lease)
    .replace(/:\w+(?:\{[^/]*\})?/, access.id === undefined ? "app.css" : ids[access.id]);
}

function bearer(key: string): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

async function outcome(response: Response): Promise<string> {
  if ((response.headers.get("content-type") ?? "").includes("text/event-stream")) {
    await response.body?.cancel();
    return String(response.status);
  }
  const text = await response.text();
  if (response.status < 400 || !text.startsWith("{")) return String(response.status);
  return `${response.status} ${JSON.parse(text).error.code}`;
}

/** Makes an org's things over the API. */
async function tenant(it: FullGateway, org: string): Promise<Tenant> {
  const { key, record } = await it.key(org);
  const make = async (line: string, body: unknown): Promise<Record<string, string>> => {
    const answer = await it.send(line, body, bearer(key));
    assert(answer.ok, `${line}: ${answer.status} ${await answer.clone().text()}`);
    return await answer.json();
  };
  const hours = { limit_type: "hard", metric_type: "gpu_hours", limit_value: 100 };
  const session = await make("POST /api/v1/sessions", { make_active: false, limits: [hours] });
  const id = session.session_id ?? "";
  const lease = await make(`POST /api/v1/sessions/${id}/leases`, { gpu_seconds: 5 });
  const response = await make("POST /v1/responses", { model: "synth-demo", input: `of ${org}` });
  await make(`PUT /api/v1/registry/task-apps/app-${org}`, { url: `http://127.0.0.1:1/${org}` });
  return {
    org,
    key,
    ids: {
      session: id,
      lease: lease.lease_id ?? "",
      response: response.id ?? "",
      key: record.keyId,
      app: `app-${org}`,
      model: "synth-demo",
    },
  };
}

async function leaseOf(it: FullGateway, { ids }: Tenant, key: string): Promise<string> {
  const line = `POST /api/v1/sessions/${ids.session}/leases`;
  const answer = await it.send(line, { gpu_seconds: 5 }, bearer(key));
  return (await answer.json()).lease_id;
}

/** All that an org can see of itself: it must be the same before and after others tried. */
async function stateOf(it: FullGateway, { key, ids }: Tenant): Promise<string> {
  const seen: string[] = [];
  for (
    const line of [
      "GET /api/v1/sessions",
      `GET /api/v1/sessions/${ids.session}`,
      `GET /api/v1/sessions/${ids.session}/usage`,
      `GET /v1/responses/${ids.response}`,
      "GET /api/v1/keys",
      `GET /api/v1/keys/${ids.key}/limits`,
      "GET /api/v1/orgs/self/limits",
      "GET /api/v1/registry/task-apps",
      "GET /api/v1/usage",
    ]
  ) {
    const answer = await it.send(line, undefined, bearer(key));
    assertEquals(answer.status, 200, line);
    seen.push(`${line} ${await answer.text()}`);
  }
  return seen.join("\n");
}

function call(
  it: FullGateway,
  route: Route,
  path: string,
  access: Access,
  ids: Ids,
  headers: HeadersInit,
): Promise<Response> {
  const body = typeof access.body === "function" ? access.body(ids) : access.body;
  return it.send(`${route.method} ${path}`, body, headers);
}

/** An answer to a key is one caller's. */
function assertUncached({ status, headers }: Response, where: string): void {
  const cache = headers.get("cache-control") ?? "";
  assert(/^no-(?:store|cache)$/.test(cache), `${where}: ${status} may be cached: "${cache}"`);
  assertEquals(headers.get("x-content-type-options"), "nosniff", where);
}

Deno.test("routes and the list of who may call them are the same", () => {
  assertEquals(ROUTES.map(nameOf).sort(), [...ACCESS.keys()].sort());
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    assertEquals(access?.scope, route.scope, nameOf(route));
    assertEquals(access?.openLocally ?? false, route.openLocally ?? false, nameOf(route));
    // What asks for no key says why.
    assertEquals(route.scope === null, (access?.reason ?? "") !== "", nameOf(route));
  }
});

Deno.test("routes refuse callers without a key and with keys that are not valid, on every path", async () => {
  await using it = await startFullGateway();
  const revoked = await it.key("org-a");
  await it.keys.revoke("org-a", revoked.record.keyId);
  const keys: [string, HeadersInit][] = [
    ["missing_api_key", {}],
    ["invalid_api_key", bearer("sk_synth_" + "A".repeat(43))],
    ["invalid_api_key", bearer(revoked.key)],
    ["invalid_api_key", { "x-api-key": "nonsense" }],
  ];
  const ids = { session: "x", lease: "x", response: "x", key: "x", app: "x", model: "x" };
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    if (access === undefined || access.scope === null) continue;
    for (const path of route.paths) {
      for (const [code, headers] of keys) {
        const answer = await call(it, route, fill(path, access, ids), access, ids, headers);
        assertEquals(await outcome(answer), `401 ${code}`, `${route.method} ${path}`);
      }
    }
  }
});

Deno.test("routes take no key's place by where a caller is or by HEAD: /metrics alone opens to this machine", async () => {
  await using it = await startFullGateway();
  const ids = { session: "x", lease: "x", response: "x", key: "x", app: "x", model: "x" };
  const open: string[] = [];
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    if (access === undefined || access.scope === null) continue;
    const url = FULL_ORIGIN + fill(route.paths[0] ?? "", access, ids);
    for (const method of route.method === "GET" ? ["GET", "HEAD"] : [route.method]) {
      for (const peer of ["127.0.0.1", "::1"]) {
        const answer = await it.gateway.fetch(new Request(url, { method }), { peer: () => peer });
        await answer.body?.cancel();
        if (answer.status !== 401) open.push(`${method} ${new URL(url).pathname}`);
      }
      const answer = await it.gateway.fetch(new Request(url, { method }));
      await answer.body?.cancel();
      assertEquals(answer.status, 401, `${method} ${url} of somebody elsewhere`);
    }
  }
  assertEquals([...new Set(open)], ["GET /metrics", "HEAD /metrics"]);
});

Deno.test("routes answer what needs no key as the list says", async () => {
  await using it = await startFullGateway();
  const ids = { session: "x", lease: "x", response: "x", key: "x", app: "x", model: "x" };
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    if (access?.scope !== null) continue;
    for (const headers of [{}, bearer("sk_synth_" + "A".repeat(43))]) {
      for (const path of route.paths) {
        const answer = await call(it, route, fill(path, access, ids), access, ids, headers);
        assertEquals(await outcome(answer), access.own, nameOf(route));
      }
    }
  }
});

Deno.test("routes let in the one scope that they ask for, and no other", async () => {
  await using it = await startFullGateway();
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    if (access === undefined || access.scope === null) continue;
    for (const scope of SCOPES) {
      // Its own org each: what one call ends must not be missing in the next.
      const own = await tenant(it, "org-a");
      const { key } = await it.key("org-a", [scope]);
      // A lease is ended by the key that took it.
      const ids = scope === "sessions"
        ? { ...own.ids, lease: await leaseOf(it, own, key) }
        : own.ids;
      const path = fill(route.paths[0] ?? "", access, ids);
      const answer = await call(it, route, path, access, ids, bearer(key));
      assertUncached(answer, nameOf(route));
      const allowed = access.scope === "any" || access.scope === scope;
      const expected = allowed ? access.own : "403 insufficient_scope";
      assertEquals(await outcome(answer), expected, `${nameOf(route)} with ${scope}`);
    }
  }
});

Deno.test("requireScope takes no scope for another, not even for the one that its name begins with", () => {
  for (const scope of SCOPES) {
    const principal: Principal = {
      org: "o",
      user: "u",
      keyId: "k",
      scopes: new Set([scope]),
      expiresAt: null,
    };
    for (const asked of SCOPES) {
      if (asked === scope) requireScope(principal, asked);
      else assertThrows(() => requireScope(principal, asked), SynthError, asked);
    }
  }
});

Deno.test("routes show and change nothing of another tenant", async () => {
  await using it = await startFullGateway();
  const mine = await tenant(it, "org-a");
  const theirs = await tenant(it, "org-b");
  const before = await stateOf(it, theirs);
  const secrets = [theirs.org, ...Object.values(theirs.ids)].filter((id) => id !== "synth-demo");
  for (const route of ROUTES) {
    const access = ACCESS.get(nameOf(route));
    if (access === undefined || access.scope === null) continue;
    for (const asked of route.paths) {
      const path = fill(asked, access, theirs.ids);
      const answer = await call(it, route, path, access, theirs.ids, bearer(mine.key));
      const text = await answer.clone().text();
      assertEquals(await outcome(answer), access.foreign ?? access.own, `${route.method} ${path}`);
      // A refusal may repeat the id that was asked for; an answer may not know it.
      const told = answer.ok ? text : text.replaceAll(access.id ? theirs.ids[access.id] : "\0", "");
      const leaked = access.names === true ? [] : secrets.filter((secret) => told.includes(secret));
      assertEquals(leaked, [], `${route.method} ${path}: ${text.slice(0, 300)}`);
    }
  }
  assertEquals(await stateOf(it, theirs), before);
});

Deno.test("routes take another tenant's session for one that is not there", async () => {
  await using it = await startFullGateway();
  const mine = await tenant(it, "org-a");
  const theirs = await tenant(it, "org-b");
  const before = await stateOf(it, theirs);
  for (const body of [{ model: "synth-demo", input: "x" }, { model: "up-m", input: "x" }]) {
    const headers = { ...bearer(mine.key), "x-synth-session-id": theirs.ids.session };
    const answer = await it.send("POST /v1/responses", body, headers);
    assertEquals(await outcome(answer), "400 session_not_found");
  }
  assertEquals(await stateOf(it, theirs), before);
});

Deno.test("routes give the scopes of the list, each scope its own", () => {
  const counts = new Map<Scope | "any" | null, number>();
  for (const { scope } of ACCESS.values()) counts.set(scope, (counts.get(scope) ?? 0) + 1);
  for (const scope of ["infer", "sessions", "admin"] as const) assert((counts.get(scope) ?? 0) > 5);
  assertFalse(counts.has("queue:command"));
});

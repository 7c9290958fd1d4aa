/** Every route of the table in real workerd, with its state in Upstash's protocol; then what lasts over several requests. Run by `deno task test:workers`. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ROUTES } from "../../gateway/app.ts";
import type { Route } from "../../gateway/services.ts";
import { billConfig } from "../support/budget_upstream.ts";
import { call, finish, role, stream, text, usage } from "../support/chat_replies.ts";
import { edgeEnvironment, type EdgeGateways, startWorkers } from "../support/edge.ts";
import { startRedis } from "../support/redis_server.ts";
import type { Rec } from "../support/response_shape.ts";
import { ACCESS, type Access, type Ids } from "../support/route_access.ts";
import { type ScriptedUpstream, startUpstream } from "../support/scripted_upstream.ts";
import { openSocket } from "../support/socket_client.ts";
import { startUpstashProxy } from "../support/upstash_proxy.ts";

interface World extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly worker: EdgeGateways;
}

async function startWorld(settings = ""): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const redis = stack.use(await startRedis());
  const proxy = stack.use(await startUpstashProxy(redis.url));
  const config = billConfig(upstream.baseUrl, settings).replaceAll("up-", "mock-");
  const worker = stack.use(await startWorkers(edgeEnvironment(config, proxy)));
  const kept = stack.move();
  return { upstream, worker, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** Sends `METHOD PATH` and gives the status and the JSON that came. */
async function send(
  { worker }: World,
  line: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<{ status: number; json: Rec; headers: Headers }> {
  const [method = "", path = ""] = line.split(" ");
  const answer = await worker.ask(0, method, path, body, headers);
  const said = await answer.text();
  const json: Rec = said.startsWith("{") || said.startsWith("[") ? JSON.parse(said) : { said };
  // Followed by fetch(); the table says what came first.
  return { status: answer.redirected ? 303 : answer.status, json, headers: answer.headers };
}

async function make(world: World, line: string, body: unknown): Promise<Rec> {
  const { status, json } = await send(world, line, body);
  assert(status < 300, `${line}: ${status} ${JSON.stringify(json)}`);
  return json;
}

/** One of everything, for one route: some of them end what they are called with. */
async function makeIds(world: World, n: number): Promise<Ids> {
  const hours = { limit_type: "hard", metric_type: "gpu_hours", limit_value: 100 };
  const session = String(
    (await make(world, "POST /api/v1/sessions", { make_active: false, limits: [hours] }))
      .session_id,
  );
  const lease = await make(world, `POST /api/v1/sessions/${session}/leases`, { gpu_seconds: 5 });
  const response = await make(world, "POST /v1/responses", { model: "synth-demo", input: "hi" });
  const key = await make(world, "POST /api/v1/keys", { name: `n${n}`, scopes: ["infer"] });
  const app = `app-${n}`;
  await make(world, `PUT /api/v1/registry/task-apps/${app}`, { url: `http://127.0.0.1:1/${n}` });
  return {
    session,
    lease: String(lease.lease_id),
    response: String(response.id),
    key: String(key.key_id),
    app,
    model: "synth-demo",
  };
}

function pathOf({ paths: [path = ""] }: Route, { id }: Access, ids: Ids): string {
  return path.replace(":lease", ids.lease)
    .replace(/:\w+(?:\{[^/]*\})?/, id === undefined ? "app.css" : ids[id]);
}

Deno.test("worker answers every route of the table as Deno does, and asks for a key where that does", async () => {
  await using world = await startWorld();
  const wrong: string[] = [];
  for (const [n, route] of ROUTES.entries()) {
    const name = `${route.method} ${route.paths[0]}`;
    const access = ACCESS.get(name);
    assert(access !== undefined, name);
    const ids = await makeIds(world, n);
    const line = `${route.method} ${pathOf(route, access, ids)}`;
    const body = typeof access.body === "function" ? access.body(ids) : access.body;
    const bare = await send(world, line, body, { authorization: "", "x-forwarded-for": "::1" });
    if (access.scope !== null && bare.status !== 401) wrong.push(`${name} bare: ${bare.status}`);
    const { status, json, headers } = await send(world, line, body);
    const code = (json.error as Rec | undefined)?.code;
    const outcome = status >= 400 && code !== undefined ? `${status} ${code}` : String(status);
    if (outcome !== access.own) wrong.push(`${name}: ${outcome}, expected ${access.own}`);
    for (const header of ["x-request-id", "x-content-type-options", "referrer-policy"]) {
      if (!headers.has(header)) wrong.push(`${name}: no ${header}`);
    }
  }
  assertEquals(wrong, []);
  assert(!world.worker.output().includes("internal_error"), "a bug: see the log");
});

Deno.test("worker keeps responses, goes on from them and takes tool outputs, and forgets what is deleted", async () => {
  await using world = await startWorld();
  const { upstream } = world;
  const tools = [{ type: "function", name: "f", parameters: { type: "object" } }];
  upstream.enqueue(stream(role(), call(0, "{}", "call_0", "f"), finish("tool_calls"), usage()));
  const first = await make(world, "POST /v1/responses", { model: "mock-a", input: "Q", tools });
  upstream.enqueue(stream(role(), text("done"), finish("stop"), usage()));
  const submit = `POST /v1/responses/${first.id}/submit_tool_outputs`;
  const second = await make(world, submit, {
    tool_outputs: [{ tool_call_id: "call_0", output: "out" }],
  });
  assertEquals(second.previous_response_id, first.id);
  upstream.enqueue(stream(role(), text("again"), finish("stop"), usage()));
  await make(world, "POST /v1/responses", {
    model: "mock-a",
    input: "more",
    previous_response_id: second.id,
  });
  const sent = upstream.requests.at(-1)?.body.messages as Rec[];
  assertEquals(sent.map((message) => message.role), [
    "user",
    "assistant",
    "tool",
    "assistant",
    "user",
  ]);
  const got = await send(world, `GET /v1/responses/${second.id}`);
  assertEquals([got.status, got.json.id], [200, second.id]);
  const items = await send(world, `GET /v1/responses/${first.id}/input_items`);
  assertEquals((items.json.data as Rec[]).length, 1);
  assertEquals((await send(world, `DELETE /v1/responses/${second.id}`)).status, 200);
  const gone = await send(world, `GET /v1/responses/${second.id}`);
  assertEquals([gone.status, (gone.json.error as Rec).code], [404, "response_not_found"]);
});

Deno.test("worker holds the rate limits of an isolate, on HTTP and on a WebSocket, and counts them", async () => {
  await using world = await startWorld();
  const { worker } = world;
  const made = await make(world, "POST /api/v1/keys", {
    name: "limited",
    scopes: ["infer"],
    requests_per_minute: 4,
  });
  const authorization = `Bearer ${made.key}`;
  const ask = { model: "synth-demo", input: "hi", store: false };
  for (let n = 0; n < 2; n++) {
    assertEquals((await send(world, "POST /v1/responses", ask, { authorization })).status, 200);
  }
  await using socket = await openSocket(worker.origins[0] ?? "", { authorization });
  assertEquals((await socket.create(ask)).at(-1)?.type, "response.completed");
  socket.send({ type: "response.processed", response_id: "resp_x" });
  const [refused] = await socket.create(ask);
  assertEquals([refused?.status, (refused?.error as Rec).code], [429, "rate_limited"]);
  const over = await send(world, "POST /v1/responses", ask, { authorization });
  const seconds = Number(over.headers.get("retry-after"));
  assert(over.status === 429 && seconds >= 1 && seconds <= 61, String(seconds));

  const { said } = (await send(world, "GET /metrics")).json;
  const metrics = String(said);
  assertStringIncludes(metrics, 'synth_rate_limited_total{limit="requests"} 2\n');
  const posts = 'synth_http_requests_total{route="/v1/responses",method="POST",status=';
  assertStringIncludes(metrics, `${posts}"2xx"} 3\n`);
  assertStringIncludes(metrics, `${posts}"4xx"} 2\n`);
  assertStringIncludes(metrics, "synth_leases_open 0\n");
  assertStringIncludes(metrics, "synth_streams_open 0\n");
  assert(!metrics.includes("process_resident_memory_bytes"), "workerd has no process of ours");
});

/** What the gateway counts, who may read it, and that nobody can be found in it. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { serveGateway } from "@synth/gateway/deno";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { isLocalCaller } from "../gateway/metrics/local_caller.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import {
  finish,
  frame,
  gate,
  httpError,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock, startGateway, TEST_KEY, testConfig } from "./support/test_gateway.ts";

const HELLO = { model: "synth-demo", input: "Say hi" };

/** Every sample by its name and labels; throws at a line that is none. */
function samples(body: string): Map<string, number> {
  const found = new Map<string, number>();
  const typed = new Set<string>();
  assert(body.endsWith("\n"));
  for (const line of body.slice(0, -1).split("\n")) {
    if (line.startsWith("# HELP ")) continue;
    const type = /^# TYPE ([a-z_]+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      assert(!typed.has(type[1]!), `${type[1]} comes twice`);
      typed.add(type[1]!);
      continue;
    }
    const sample =
      /^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)+\})? (-?[0-9.e+-]+|[+-]Inf)$/.exec(line);
    assert(sample !== null, `no sample: ${line}`);
    const family = sample[1]!.replace(/_(?:bucket|sum|count)$/, "");
    assert(typed.has(sample[1]!) || typed.has(family), `no type: ${line}`);
    const key = `${sample[1]}${sample[2] ?? ""}`;
    assert(!found.has(key), `twice: ${key}`);
    found.set(key, Number(sample[3]));
  }
  return found;
}

async function metricsOf(gateway: { fetch(request: Request): Promise<Response> }) {
  const headers = { authorization: `Bearer ${TEST_KEY}` };
  const answer = await gateway.fetch(new Request("http://gateway.test/metrics", { headers }));
  assertEquals(answer.status, 200);
  assertEquals(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assertEquals(answer.headers.get("cache-control"), "no-store");
  return samples(await answer.text());
}

Deno.test("metrics count requests by the template of their route, and never by what clients choose", async () => {
  await using upstream = await startUpstream({ reply: () => stream(text("hi"), finish("stop")) });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const secrets = ["resp_canary1", "canary2-model", "sess_canary3", "up-canary4", "cid_canary5"];
  await (await it.get(`/v1/responses/${secrets[0]}`)).body?.cancel();
  await (await it.post("/v1/responses", { ...HELLO, model: secrets[1] })).body?.cancel();
  const session = { headers: { "x-session-id": secrets[2]! } };
  await (await it.post("/v1/responses", { ...HELLO, model: secrets[3] }, session)).text();
  await (await it.post(`/${secrets[4]}/v1/responses`, HELLO)).body?.cancel();
  await (await it.get("/canary6")).body?.cancel();
  const found = await metricsOf(it.gateway);
  const all = [...found.keys()].join("\n");
  for (const secret of [...secrets, "canary6", "org-a", "key_test", TEST_KEY]) {
    assert(!all.includes(secret), `${secret} is in the metrics`);
  }
  const of = (route: string, method: string, status: string) =>
    found.get(`synth_http_requests_total{route="${route}",method="${method}",status="${status}"}`);
  assertEquals(of("/v1/responses", "POST", "2xx"), 1);
  assertEquals(of("/v1/responses", "POST", "4xx"), 1);
  assertEquals(of("/v1/responses/:id", "GET", "4xx"), 1);
  assertEquals(of("other", "other", "4xx"), 2);
  assertEquals(found.get('synth_model_request_duration_seconds_count{model="up-*"}'), 1);
  assertEquals(found.get('synth_upstream_requests_total{upstream="up",outcome="ok"}'), 1);
});

Deno.test("metrics count tokens, cost, refusals and streams as the books have them", async () => {
  const { promise, open } = gate();
  await using upstream = await startUpstream();
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const id = await openIn(ledger, [hard("api_calls", 3)]);
  await using it = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock });
  const headers = { "x-synth-session-id": id };
  const metrics = () => metricsOf(it.gateway);
  upstream.enqueue(
    httpError(503, "Busy"),
    stream(text("hi"), finish("stop"), usage(1000, 70, 300, 20)),
  );
  const whole = await it.ask({ model: "up-a", input: "Hi" }, headers);
  assertEquals([whole.status, (await whole.json()).usage.input_tokens], [200, 1000]);
  upstream.enqueue(
    sse([frame(text("Hel")), { wait: promise }, frame(finish("stop")), frame(usage(5, 5, 0, 0))]),
  );
  const streamed = await it.ask({ model: "up-a", input: "Hi", stream: true }, headers);
  const reader = streamed.body!.pipeThrough(new TextDecoderStream()).getReader();
  for (let seen = ""; !seen.includes("output_text.delta");) {
    const next = await reader.read();
    assert(!next.done, `the stream ended: ${seen}`);
    seen += next.value;
  }
  const during = await metrics();
  assertEquals(during.get("synth_streams_open"), 1);
  assertEquals(during.get("synth_leases_open"), 1);
  open();
  while (!(await reader.read()).done);
  upstream.enqueue(stream(text("x"), finish("stop")));
  const third = await it.ask({ model: "up-a", input: "Hi", stream: true }, headers);
  await third.body?.cancel();
  await it.settled();
  const refused = await it.ask({ model: "up-a", input: "Hi" }, headers);
  assertEquals(refused.status, 429);
  await refused.body?.cancel();
  const after = await metrics();
  const get = (name: string) => after.get(name);
  assertEquals(get("synth_streams_open"), 0);
  assertEquals(get("synth_leases_open"), 0);
  assertEquals(get('synth_tokens_total{model="up-*",kind="cached_input"}'), 300);
  assertEquals(get('synth_tokens_total{model="up-*",kind="reasoning"}'), 20);
  assertEquals(get('synth_upstream_requests_total{upstream="up",outcome="server_error"}'), 1);
  assertEquals(get('synth_upstream_retries_total{upstream="up"}'), 1);
  assertEquals(get('synth_streams_total{outcome="completed"}'), 1);
  assertEquals(get('synth_streams_total{outcome="aborted"}'), 1);
  assertEquals(
    get('synth_budget_refusals_total{scope="session",metric="api_calls",reason="exceeded"}'),
    1,
  );
  const session = await ledger.getSession("org-a", id);
  assertEquals(get('synth_cost_nano_usd_total{model="up-*"}'), Number(session!.used.cost));
  const tokens = ["input", "output"].map((kind) =>
    get(`synth_tokens_total{model="up-*",kind="${kind}"}`)!
  );
  assertEquals(tokens[0]! + tokens[1]!, Number(session!.used.tokens));
  assert(get('synth_store_duration_seconds_count{operation="reserve"}')! >= 4);
  assertEquals(get('synth_store_errors_total{operation="settle"}'), 0);
  const line = JSON.parse(it.lines.find((line) => line.includes('"status":200'))!);
  assertEquals([line.session, line.input_tokens, line.attempts], [id, 1000, 2]);
  assertMatch(line.lease, /^lease_/);
  // 700 at 0.075, 300 at the same (no cached price), 70 at 0.3 USD per million.
  assertEquals(line.cost_nano_usd, 1000 * 75 + 70 * 300);
});

Deno.test("metrics count a stream that failed before its first byte, which the client gets as a stream, too", async () => {
  const replies = [httpError(401, "No"), httpError(400, "No")];
  await using upstream = await startUpstream({ reply: () => replies.shift() });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const ask = { model: "up-a", input: "Hi", stream: true };
  const failed = await it.post("/v1/responses", ask);
  assertStringIncludes(await failed.text(), "response.failed");
  assertEquals(failed.status, 200);
  // This one is an error, and no stream.
  const refused = await it.post("/v1/responses", ask);
  assertEquals(refused.status, 400);
  await refused.body?.cancel();
  const found = await metricsOf(it.gateway);
  const ended = [...found].filter(([name]) => name.startsWith("synth_streams_total"));
  assertEquals(ended, [['synth_streams_total{outcome="failed"}', 1]]);
});

Deno.test("metrics count the settlements that a store refuses, and no lease stays open in them", async () => {
  await using upstream = await startUpstream({ reply: () => stream(text("hi"), finish("stop")) });
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const broken = new Proxy(ledger, {
    get(target, name) {
      if (name === "settle") return () => Promise.reject(new Error("no disk"));
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  await using it = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger: broken, clock });
  await (await it.ask({ model: "up-a", input: "Hi" })).body?.cancel();
  const found = await metricsOf(it.gateway);
  assertEquals(found.get("synth_settle_failures_total"), 1);
  assertEquals(found.get('synth_store_errors_total{operation="settle"}'), 1);
  assertEquals(found.get("synth_leases_open"), 0);
});

Deno.test("metrics ask for an admin key, but not on the gateway's own machine", async () => {
  for (const [scopes, status] of [[["infer"], 403], [["admin"], 200]] as const) {
    await using it = await startGateway({ scopes });
    const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
    const ask = async (headers: Record<string, string>) => {
      const answer = await fetch(`${server.url}/metrics`, { headers });
      await answer.body?.cancel();
      return answer.status;
    };
    assertEquals(await ask({}), 200);
    const forwarded = { "x-forwarded-for": "127.0.0.1" };
    assertEquals(await ask(forwarded), 401);
    assertEquals(await ask({ ...forwarded, authorization: "Bearer nothing" }), 401);
    assertEquals(await ask({ ...forwarded, authorization: `Bearer ${TEST_KEY}` }), status);
    assertEquals(await ask({ origin: "http://evil.example" }), 401);
    await server.stop();
  }
  // Where nothing is known of the socket, as in Workers, a key is always asked for.
  await using it = await startGateway();
  const answer = await it.gateway.fetch(new Request("http://127.0.0.1/metrics"));
  assertEquals(answer.status, 401);
  await answer.body?.cancel();
});

Deno.test("metrics ask for a key on the gateway's own machine, too, where the operator says so", async () => {
  const loadConfig = () => Promise.resolve(testConfig());
  await using it = await startGateway({ settings: { metrics: "key" }, loadConfig });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const ask = async (headers: Record<string, string> = {}) => {
    const answer = await fetch(`${server.url}/metrics`, { headers });
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals(await ask(), 401);
  assertEquals(await ask({ authorization: `Bearer ${TEST_KEY}` }), 200);
  // A reload puts the setting of the file in force: here the default.
  await it.gateway.reload();
  assertEquals(await ask(), 200);
  await server.stop();
});

Deno.test("health and metrics are answered while the gateway drains", async () => {
  const { promise, open } = gate();
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("a")), { wait: promise }, frame(finish("stop"))]),
  });
  const it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", { model: "up-a", input: "Hi", stream: true });
  const drained = it.gateway.drain();
  const health = await it.get("/health");
  assertEquals(health.status, 503);
  assertEquals((await health.json()).status, "draining");
  assertEquals((await metricsOf(it.gateway)).get("synth_draining"), 1);
  const refused = await it.post("/v1/responses", HELLO);
  assertStringIncludes(await refused.text(), "shutting_down");
  // Probes and clients that come too late are nobody's failure.
  assertEquals(it.lines.filter((line) => /"level":"error"|"quiet"/.test(line)), []);
  open();
  assertStringIncludes(await response.text(), "response.completed");
  await drained;
});

Deno.test("every answer has its security headers", async () => {
  await using it = await startGateway({ settings: { cors_origins: ["https://app.example"] } });
  const asked: Request[] = [
    new Request("http://gateway.test/health"),
    new Request("http://gateway.test/docs"),
    new Request("http://gateway.test/openapi.json"),
    new Request("http://gateway.test/nowhere"),
    new Request("http://gateway.test/v1/responses", { method: "PATCH" }),
    new Request("http://gateway.test/api/v1/keys"),
    new Request("http://gateway.test/v1/responses", {
      method: "POST",
      headers: { authorization: `Bearer ${TEST_KEY}`, origin: "https://app.example" },
      body: JSON.stringify({ ...HELLO, stream: true }),
    }),
  ];
  for (const request of asked) {
    const { headers, body } = await it.gateway.fetch(request);
    assertEquals(headers.get("x-content-type-options"), "nosniff", request.url);
    assertEquals(headers.get("referrer-policy"), "no-referrer", request.url);
    assert(headers.has("cache-control"), request.url);
    assertEquals(headers.get("access-control-allow-credentials"), null);
    if (headers.get("content-type")?.startsWith("text/html")) {
      assertStringIncludes(headers.get("content-security-policy") ?? "", "frame-ancestors 'none'");
      assertEquals(headers.get("x-frame-options"), "DENY");
    }
    await body?.cancel();
  }
});

Deno.test("metrics are closed behind the nginx of docs/deploy.md, which names this machine as the host", async () => {
  const page = await Deno.readTextFile(new URL("../docs/deploy.md", import.meta.url));
  const [example = ""] = /^ {4}location \/ \{[^}]*\}/m.exec(page) ?? [];
  const sent = [...example.matchAll(/proxy_set_header (\S+)/g)].map(([, name]) => name ?? "");
  const headers = new Headers(sent.map((name) => [name, "x"] as [string, string]));
  headers.delete("host");
  const request = new Request("http://127.0.0.1:8787/metrics", { headers });
  assert(!isLocalCaller(request, "127.0.0.1"), example);
});

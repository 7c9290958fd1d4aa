/** The HTTP face of the gateway: routes, credentials, bodies, errors. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FakeClock } from "@synth/core";
import {
  ErrorSchema,
  HealthSchema,
  ModelListSchema,
  ModelSchema,
  SynthClient,
} from "@synth/core/api";
import { serveGateway } from "@synth/gateway/deno";
import { ROUTES } from "../gateway/app.ts";
import { sendRaw } from "./support/raw_client.ts";
import { httpError } from "./support/chat_replies.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway, TEST_KEY } from "./support/test_gateway.ts";

const PREFIXES = ["/v1", "/api/v1", "/api/synth-research", "/api/synth-research/v1"];
const HELLO = { model: "synth-demo", input: "Say hi" };
const CHAT = { model: "synth-demo", messages: [{ role: "user", content: "Say hi" }] };

async function errorOf(response: Response): Promise<{ code: string; param: string | null }> {
  assertMatch(response.headers.get("x-request-id") ?? "", /^req_[0-9a-v]{32}$/);
  const body = ErrorSchema.parse(await response.json());
  return { code: body.error.code, param: body.error.param };
}

for (const prefix of PREFIXES) {
  for (const trace of ["", "/trace_abc-1", "/cid_9", "/eval_x.y"]) {
    Deno.test(`gateway serves responses and chat under ${prefix}${trace}`, async () => {
      await using it = await startGateway();
      const response = await it.post(`${prefix}${trace}/responses`, HELLO);
      assertEquals(response.status, 200);
      assertEquals((await response.json()).object, "response");
      const chat = await it.post(`${prefix}${trace}/chat/completions`, CHAT);
      assertEquals(chat.status, 200);
      assertEquals((await chat.json()).object, "chat.completion");
      if (trace !== "") assertStringIncludes(it.lines[0] ?? "", `"trace_id":"${trace.slice(1)}"`);
    });
  }

  Deno.test(`gateway lists models under ${prefix}`, async () => {
    await using it = await startGateway();
    const list = ModelListSchema.parse(await (await it.get(`${prefix}/models`)).json());
    assertEquals(list.data.map((model) => model.id), ["renamed", "synth-demo"]);
    const one = ModelSchema.parse(await (await it.get(`${prefix}/models/synth-demo`)).json());
    assertStringIncludes(one.description ?? "", "no language model");
    const pattern = ModelSchema.parse(await (await it.get(`${prefix}/models/up-a%2Fb`)).json());
    assertEquals(pattern.id, "up-a/b");
    const none = await it.get(`${prefix}/models/nothing`);
    assertEquals(none.status, 404);
    assertEquals((await errorOf(none)).code, "model_not_found");
  });
}

Deno.test("gateway logs a trace id from the query, and no other query", async () => {
  await using it = await startGateway();
  await (await it.post("/v1/responses?foo=bar&cid=trace_1", HELLO)).body?.cancel();
  assertStringIncludes(it.lines[0] ?? "", '"trace_id":"trace_1"');
  assert(!it.lines[0]?.includes("foo"));
});

Deno.test("gateway answers every route that needs a key with 401 without one", async () => {
  await using it = await startGateway();
  for (const { method, paths, scope } of ROUTES) {
    if (scope === null) continue;
    for (const path of paths) {
      const url = `http://gateway.test${
        path.replace(/:trace\{[^/]+\}/, "trace_1").replace(/:\w+(?:\{[^/]*\})?/g, "x")
      }`;
      const response = await it.gateway.fetch(new Request(url, { method }));
      assertEquals(response.status, 401, url);
      assertEquals((await errorOf(response)).code, "missing_api_key");
    }
  }
});

Deno.test("gateway refuses a key without the scope", async () => {
  await using it = await startGateway({ scopes: ["sessions"] });
  const response = await it.post("/v1/responses", HELLO);
  assertEquals(response.status, 403);
  assertEquals((await errorOf(response)).code, "insufficient_scope");
  assertEquals((await it.post("/admin/reload", {})).status, 403);
});

Deno.test("gateway takes X-API-Key as well", async () => {
  await using it = await startGateway();
  const request = new Request("http://gateway.test/v1/models", {
    headers: { "x-api-key": TEST_KEY },
  });
  const response = await it.gateway.fetch(request);
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("gateway answers 404 and 405 in the shape of errors", async () => {
  await using it = await startGateway();
  const lost = await it.get("/v2/responses");
  assertEquals(lost.status, 404);
  assertEquals((await errorOf(lost)).code, "not_found");
  for (
    const [path, method, allow] of [
      ["/v1/models", "POST", "GET"],
      ["/v1/chat/completions", "GET", "POST"],
      ["/v1/responses", "PUT", "POST, GET"],
      ["/v1/responses", "GET", "POST"],
      ["/health", "DELETE", "GET"],
    ] as const
  ) {
    // Where a WebSocket can be asked for, the key comes first.
    const headers = { "x-api-key": TEST_KEY };
    const request = new Request(`http://gateway.test${path}`, { method, headers });
    const response = await it.gateway.fetch(request);
    assertEquals(response.status, 405, `${method} ${path}`);
    assertEquals(response.headers.get("allow"), allow);
    assertEquals((await errorOf(response)).code, "method_not_allowed");
  }
});

Deno.test("gateway declines WebSockets with 426 over a real socket", async () => {
  await using it = await startGateway({ settings: { websockets_per_key: 0 } });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  for (const prefix of PREFIXES) {
    const answer = await sendRaw(
      server.port,
      `GET ${prefix}/responses HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
        `X-API-Key: ${TEST_KEY}\r\n\r\n`,
    );
    assertEquals(answer.status, 426);
    assertStringIncludes(answer.body, "upgrade_required");
  }
  await server.stop();
});

Deno.test("gateway declines WebSockets with 426 where its runtime has none", async () => {
  await using it = await startGateway();
  const headers = { "x-api-key": TEST_KEY, upgrade: "websocket" };
  const request = new Request("http://gateway.test/v1/responses", { headers });
  const response = await it.gateway.fetch(request);
  assertEquals(response.status, 426);
  assertEquals((await errorOf(response)).code, "upgrade_required");
});

Deno.test("gateway says how it is without a key", async () => {
  let works = true;
  const store = {
    ping: () => works ? Promise.resolve() : Promise.reject(new Error("secret-host is down")),
    close: () => Promise.resolve(),
  };
  const clock = new FakeClock();
  await using it = await startGateway({ store, clock });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const client = new SynthClient({ baseUrl: server.url, apiKey: TEST_KEY });
  assertEquals((await client.health()).status, "ok");
  assertEquals((await client.models()).data.length, 2);
  works = false;
  // An answer of the store counts for a second.
  await clock.tick(1000);
  assertEquals((await client.health()).store, "unavailable");
  const response = await fetch(`${server.url}/health`);
  assertEquals(response.status, 503);
  assertEquals(HealthSchema.parse(await response.json()).status, "degraded");
  await server.stop();
});

Deno.test("gateway health does not wait for a store that hangs", async () => {
  const clock = new FakeClock();
  const store = { ping: () => new Promise<void>(() => {}), close: () => Promise.resolve() };
  await using it = await startGateway({ store, clock });
  const answer = it.get("/health");
  await clock.tick(2000);
  assertEquals((await answer).status, 503);
});

Deno.test("gateway describes every route and serves a page for it", async () => {
  await using it = await startGateway();
  const spec = await (await it.get("/openapi.json")).json();
  const described = Object.entries(spec.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`)
  );
  const routed = ROUTES.map(({ method, paths }) =>
    `${method} ${(paths[0] ?? "").replace(/:(\w+)(?:\{[^/]*\})?/g, "{$1}")}`
  );
  const hidden = ["GET /openapi.json", "GET /docs"];
  const forPeople = (route: string): boolean => route.includes(" /dashboard");
  assertEquals(
    described.sort(),
    routed.filter((route) => !hidden.includes(route) && !forPeople(route)).sort(),
  );
  assertEquals(spec.components.schemas.ResponsesRequest.additionalProperties, false);
  const page = await it.get("/docs");
  assertStringIncludes(page.headers.get("content-security-policy") ?? "", "default-src 'none'");
  const html = await page.text();
  assert(!/(?:src|href)="(?!\/openapi\.json)/.test(html), "the page loads nothing from elsewhere");
});

const BAD_BODIES: readonly [string, string | Uint8Array, number, string][] = [
  ["no body", "", 400, "invalid_json"],
  ["broken JSON", '{"model":', 400, "invalid_json"],
  ["bytes that are no UTF-8", new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400, "invalid_utf8"],
  ["an array", "[]", 400, "invalid_type"],
  ["null", "null", 400, "invalid_type"],
  ["a shallow depth bomb", `${"[".repeat(100)}${"]".repeat(100)}`, 400, "json_too_deep"],
  ["a deep depth bomb", "[".repeat(1_000_000), 400, "json_too_deep"],
  ["a depth bomb of objects", '{"a":'.repeat(100_000), 400, "json_too_deep"],
  ["__proto__ at the top", '{"__proto__":{"x":1},"model":"m","input":"i"}', 400, "json_unsafe_key"],
  ["__proto__ deep inside", '{"metadata":{"a":{"__proto__":1}}}', 400, "json_unsafe_key"],
  ["an unknown field", '{"model":"synth-demo","input":"x","modle":1}', 400, "unknown_parameter"],
  ["no model", '{"input":"x"}', 400, "missing_required_parameter"],
  ["a model that is no text", '{"model":1,"input":"x"}', 400, "invalid_type"],
  ["an unknown model", '{"model":"nope","input":"x"}', 400, "model_not_found"],
  ["constructor as a model", '{"model":"constructor","input":"x"}', 400, "model_not_found"],
  ["no input", '{"model":"synth-demo"}', 400, "missing_required_parameter"],
  [
    "a million values",
    `{"model":"m","input":[${"1,".repeat(300_000)}1]}`,
    400,
    "json_too_many_items",
  ],
];

for (const [name, bytes, status, code] of BAD_BODIES) {
  Deno.test(`gateway refuses ${name}`, async () => {
    await using it = await startGateway();
    const response = await it.post("/v1/responses", null, { body: bytes as BodyInit });
    assertEquals(response.status, status);
    assertEquals((await errorOf(response)).code, code);
  });
}

Deno.test("gateway refuses 10,001 items and carries 10,000", async () => {
  await using it = await startGateway();
  const item = { role: "user", content: "x" };
  const many = await it.post("/v1/responses", {
    model: "synth-demo",
    input: Array(10_001).fill(item),
  });
  assertEquals(many.status, 400);
  assertEquals(await errorOf(many), { code: "array_above_max_length", param: "input" });
  const enough = await it.post("/v1/responses", {
    model: "synth-demo",
    input: Array(10_000).fill(item),
  });
  assertEquals(enough.status, 200);
  await enough.body?.cancel();
});

Deno.test("gateway counts the body, whatever its header says", async () => {
  await using it = await startGateway({ settings: { max_body_bytes: 2000 } });
  const text = JSON.stringify({ ...HELLO, instructions: "x".repeat(3000) });
  const declared = await it.post("/v1/responses", null, { body: text });
  assertEquals((await errorOf(declared)).code, "body_too_large");
  assertEquals(declared.status, 413);
  const chunked = await it.post("/v1/responses", null, { body: new Blob([text]).stream() });
  assertEquals(chunked.status, 413);
  assertEquals((await errorOf(chunked)).code, "body_too_large");
  const lying = await it.post("/v1/responses", null, {
    body: new Blob([text]).stream(),
    headers: { "content-length": "10" },
  });
  assertEquals(lying.status, 413);
  await lying.body?.cancel();
});

Deno.test("gateway counts a chunked body and survives a lying one over real sockets", async () => {
  await using it = await startGateway({ settings: { max_body_bytes: 2000 } });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const head = `POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TEST_KEY}\r\n`;
  const chunk = `1f4\r\n${"x".repeat(500)}\r\n`;
  const chunked = await sendRaw(
    server.port,
    `${head}Transfer-Encoding: chunked\r\n\r\n`,
    ...Array<string>(10).fill(chunk),
  );
  assertEquals(chunked.status, 413);
  assertStringIncludes(chunked.body, "body_too_large");
  const short = await sendRaw(server.port, `${head}Content-Length: 5\r\n\r\n{"a":1}`);
  assertEquals(short.status, 400);
  const huge = await sendRaw(server.port, `${head}Content-Length: 99999999999\r\n\r\n`);
  assertEquals(huge.status, 413);
  await server.stop();
});

Deno.test("gateway inflates under the cap, and refuses other encodings", async () => {
  await using it = await startGateway({ settings: { max_body_bytes: 100_000 } });
  const send = (body: BodyInit, encoding: string) =>
    it.post("/v1/responses", null, { body, headers: { "content-encoding": encoding } });
  const gzip = (text: string, format: "gzip" | "deflate" = "gzip") =>
    new Blob([text]).stream().pipeThrough(new CompressionStream(format));
  for (const format of ["gzip", "deflate"] as const) {
    const response = await send(gzip(JSON.stringify(HELLO), format), format);
    assertEquals(response.status, 200);
    await response.body?.cancel();
  }
  const bomb = await send(gzip(JSON.stringify({ ...HELLO, user: " ".repeat(50_000_000) })), "gzip");
  assertEquals(bomb.status, 413);
  assertEquals((await errorOf(bomb)).code, "body_too_large");
  const broken = await send("no gzip at all", "gzip");
  assertEquals(broken.status, 400);
  assertEquals((await errorOf(broken)).code, "invalid_compression");
  const truncated = new Uint8Array(await new Response(gzip(JSON.stringify(HELLO))).arrayBuffer());
  assertEquals((await send(truncated.subarray(0, 20), "gzip")).status, 400);
  for (const encoding of ["br", "zstd", "gzip, gzip", "x"]) {
    const response = await send("x", encoding);
    assertEquals(response.status, 415);
    assertEquals((await errorOf(response)).code, "unsupported_content_encoding");
  }
});

Deno.test("gateway gives up a body that never comes to its end", async () => {
  const clock = new FakeClock();
  await using it = await startGateway({ clock });
  const cancelled = Promise.withResolvers<void>();
  const reading = { ...Promise.withResolvers<void>(), begun: false };
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (reading.begun) return reading.resolve();
      reading.begun = true;
      controller.enqueue(new TextEncoder().encode('{"model":'));
    },
    cancel: () => cancelled.resolve(),
  }, { highWaterMark: 0 });
  const answer = it.post("/v1/responses", null, { body });
  await reading.promise;
  // A time limit may be noticed 100 ms late.
  await clock.tick(60_100);
  const response = await answer;
  assertEquals(response.status, 408);
  assertEquals((await errorOf(response)).code, "body_timeout");
  await cancelled.promise;
});

Deno.test("gateway answers in time when a declared body stalls", async () => {
  const clock = new FakeClock();
  await using it = await startGateway({ clock });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const head = `POST /v1/responses HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TEST_KEY}\r\n`;
  const answer = sendRaw(server.port, `${head}Content-Length: 100\r\n\r\n{"a":`);
  while (it.gateway.active === 0) await clock.tick(0);
  await clock.tick(60_100);
  const { status, headers, body } = await answer;
  assertEquals([status, headers.get("connection")], [408, "close"]);
  assertStringIncludes(body, "body_timeout");
  await server.stop();
});

Deno.test("gateway takes a sane request id of the client to its answers, errors, log and upstream", async () => {
  await using upstream = await startUpstream({ reply: () => httpError(400, "No") });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const headers = { "x-request-id": "theirs-1", "x-client-request-id": "conversation-1" };
  const response = await it.post("/v1/responses", { ...HELLO, model: "up-x" }, { headers });
  assertEquals(response.headers.get("x-request-id"), "theirs-1");
  assertEquals((await response.json()).error.request_id, "theirs-1");
  assertStringIncludes(it.lines[0] ?? "", '"request_id":"theirs-1"');
  assertStringIncludes(it.lines[0] ?? "", '"client_request_id":"conversation-1"');
  assertEquals((await upstream.request(0)).headers.get("x-request-id"), "theirs-1");
  for (const odd of ["no spaces please", "x".repeat(129), ""]) {
    const other = await it.post("/v1/responses", HELLO, { headers: { "x-request-id": odd } });
    assertMatch(other.headers.get("x-request-id") ?? "", /^req_/);
    await other.body?.cancel();
  }
  assert(!it.lines[1]?.includes("spaces"));
});

Deno.test("gateway names what it does not carry", async () => {
  await using it = await startGateway();
  const response = await it.post("/v1/responses", {
    ...HELLO,
    client_metadata: { a: 1 },
    tools: [{ type: "web_search" }],
  });
  assertEquals(response.status, 200);
  assertEquals(response.headers.get("x-synth-ignored"), "client_metadata");
  assertStringIncludes(response.headers.get("x-bridge-dropped-tools") ?? "", "web_search");
  await response.body?.cancel();
});

Deno.test("gateway streams with the headers of an event stream", async () => {
  await using it = await startGateway();
  const response = await it.post("/v1/responses", { ...HELLO, stream: true });
  assertEquals(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
  assertEquals(response.headers.get("cache-control"), "no-cache");
  assertEquals(response.headers.get("x-accel-buffering"), "no");
  assertEquals((await eventsOf(response)).at(-1)?.type, "response.completed");
});

Deno.test("gateway answers whatever the Host is: an address that it does not make is no fault of ours", async () => {
  await using it = await startGateway();
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const ask = (line: string, more = ""): ReturnType<typeof sendRaw> =>
    sendRaw(
      server.port,
      `${line} HTTP/1.1\r\nHost: a b\r\nAuthorization: Bearer ${TEST_KEY}\r\n${more}\r\n`,
    );
  try {
    assertEquals((await ask("GET /dashboard?ended=x")).status, 200);
    const form = "Origin: http://a.example\r\nContent-Length: 0\r\n";
    assertEquals((await ask("POST /dashboard/session", form)).status, 403);
    assertEquals(it.lines.filter((line) => line.includes('"level":"error"')), []);
  } finally {
    await server.stop(0);
  }
});

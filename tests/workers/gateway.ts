/** The bundled Worker in real workerd: what it serves, what it refuses, and what becomes of clients that go. Run by `deno task test:workers`. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { edgeEnvironment, type EdgeGateways, startWorkers } from "../support/edge.ts";
import { openSession, respond } from "../support/budget_gateways.ts";
import { billConfig } from "../support/budget_upstream.ts";
import { delta, frame, role, sse } from "../support/chat_replies.ts";
import { sendRaw } from "../support/raw_client.ts";
import { startRedis } from "../support/redis_server.ts";
import type { Rec } from "../support/response_shape.ts";
import { type ScriptedUpstream, startUpstream } from "../support/scripted_upstream.ts";
import { errorOf, openSocket, responseOf } from "../support/socket_client.ts";
import { startUpstashProxy, type UpstashProxy } from "../support/upstash_proxy.ts";

interface World extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly proxy: UpstashProxy;
  readonly worker: EdgeGateways;
}

async function startWorld(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const redis = stack.use(await startRedis());
  const proxy = stack.use(await startUpstashProxy(redis.url));
  const config = billConfig(upstream.baseUrl, "keepalive_s = 1").replaceAll("up-", "mock-");
  const worker = stack.use(await startWorkers(edgeEnvironment(config, proxy)));
  const kept = stack.move();
  return { upstream, proxy, worker, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

Deno.test("worker serves what the gateway serves", async (t) => {
  await using world = await startWorld();
  const { upstream, worker } = world;

  await t.step("health asks the store", async () => {
    const response = await worker.ask(0, "GET", "/health");
    assertEquals(response.status, 200);
    assertEquals((await response.json()).store, "ok");
  });

  await t.step("HEAD has no body, and no length that GET has not", async () => {
    for (const path of ["/health", "/v1/models/mock-text", "/v1/responses/resp_1"]) {
      const [got, head] = await Promise.all(["GET", "HEAD"].map(async (method) => {
        const response = await worker.ask(0, method, path);
        return { response, body: await response.text() };
      }));
      assertEquals([head!.response.status, head!.body], [got!.response.status, ""], path);
      const length = head!.response.headers.get("content-length");
      assert(length === null || length === String(got!.body.length), `${path}: ${length}`);
    }
  });

  await t.step("a whole answer and its headers", async () => {
    const response = await worker.ask(0, "POST", "/v1/responses", {
      model: "mock-text",
      input: "Hi",
    });
    assertEquals(response.status, 200);
    assert(response.headers.get("x-request-id")?.startsWith("req_"));
    const body = await response.json();
    assertEquals(body.status, "completed");
    assertEquals(body.output[0].content[0].text, "Hello");
  });

  await t.step("a stream with one terminal event", async () => {
    const answer = await ask(worker, { model: "mock-text", input: "Hi", stream: true });
    assertEquals(answer.body.status, "completed");
    assertEquals((answer.body.usage as Rec).output_tokens, 7);
  });

  await t.step("a tool call, streamed and whole", async () => {
    const tools = [{ type: "function", name: "f", parameters: { type: "object" } }];
    for (const stream of [true, false]) {
      const { body } = await ask(worker, { model: "mock-tool", input: "Hi", tools, stream });
      const call = (body.output as Rec[]).find((item) => item.type === "function_call");
      assertEquals(call?.name, "f");
      JSON.parse(String(call?.arguments));
    }
  });

  await t.step("Chat Completions pass through", async () => {
    const response = await worker.ask(0, "POST", "/v1/chat/completions", {
      model: "mock-text",
      messages: [{ role: "user", content: "Hi" }],
      stream: true,
    });
    assertEquals(response.status, 200);
    assert((await response.text()).trimEnd().endsWith("data: [DONE]"));
  });

  await t.step("no key and a wrong one are refused", async () => {
    const bare = await fetch(`${worker.origins[0]}/v1/responses`, { method: "POST", body: "{}" });
    assertEquals(bare.status, 401);
    assertEquals((await bare.json()).error.code, "missing_api_key");
    const wrong = await worker.ask(0, "GET", "/v1/models", undefined, {
      authorization: "Bearer wrong",
    });
    assertEquals(wrong.status, 401);
    assertEquals((await wrong.json()).error.code, "invalid_api_key");
  });

  await t.step("a key that the API made is looked up in the store", async () => {
    const made = await worker.ask(0, "POST", "/api/v1/keys", {
      user_id: "ada",
      scopes: ["infer"],
    });
    assertEquals(made.status, 201, await made.clone().text());
    const { key } = await made.json();
    const headers = { authorization: `Bearer ${key}` };
    // All at once: of the requests that wait for the same look-up only one has made it.
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => worker.ask(0, "GET", "/v1/models", undefined, headers)),
    );
    for (const answer of answers) {
      assertEquals(answer.status, 200);
      await answer.body?.cancel();
    }
  });

  await t.step("a used-up budget is refused and calls no upstream", async () => {
    const session = await openSession(worker, { tokens: 1 });
    const before = upstream.requests.length;
    const { status, body } = await respond(worker, 0, session, { model: "mock-text", input: "Hi" });
    assertEquals(status, 429);
    assertEquals((body.error as Rec).code, "session_limit_exceeded");
    assertEquals(upstream.requests.length, before);
  });

  await t.step("a body of two megabytes, and a compressed one", async () => {
    const input = "abcd ".repeat(400_000);
    const long = await worker.ask(0, "POST", "/v1/responses", { model: "mock-text", input });
    assertEquals(long.status, 200, await long.clone().text());
    await long.body?.cancel();
    const plain = new Blob([JSON.stringify({ model: "mock-text", input: "Hi" })]);
    const body = plain.stream().pipeThrough(new CompressionStream("gzip"));
    const { authorization } = worker.headers;
    const packed = await fetch(`${worker.origins[0]}/v1/responses`, {
      method: "POST",
      headers: { authorization, "content-encoding": "gzip" },
      body: await new Response(body).arrayBuffer(),
    });
    assertEquals(packed.status, 200, await packed.clone().text());
    await packed.body?.cancel();
  });

  await t.step("the description of the API, and the built-in model", async () => {
    const description = await worker.ask(0, "GET", "/openapi.json");
    assert((await description.json()).paths["/v1/responses"] !== undefined);
    const { body } = await ask(worker, { model: "synth-demo", input: "Hi", stream: true });
    assertEquals(body.status, "completed");
  });

  await t.step("what is not served", async () => {
    assertEquals((await worker.ask(0, "GET", "/v1/responses")).status, 405);
    assertEquals((await worker.ask(0, "GET", "/nowhere")).status, 404);
    // Deno's fetch sends no Upgrade header; workerd hands it on.
    const { port } = new URL(worker.origins[0] ?? "");
    const head = "GET /v1/responses HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n" +
      "upgrade: websocket\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    const bare = await sendRaw(Number(port), `${head}\r\n`);
    assertEquals([bare.status, JSON.parse(bare.body).error.code], [401, "missing_api_key"]);
    const key = `authorization: ${worker.headers.authorization}\r\n`;
    const page = await sendRaw(Number(port), `${head}${key}origin: https://x.example\r\n\r\n`);
    assertEquals([page.status, JSON.parse(page.body).error.code], [403, "origin_not_allowed"]);
  });

  await t.step(
    "turns on a WebSocket, the second from the first; refusals leave it open",
    async () => {
      const session = await openSession(worker, { api_calls: 2 });
      await using socket = await openSocket(worker.origins[0] ?? "", {
        ...worker.headers,
        "x-synth-session-id": session,
      });
      const ask = { model: "mock-text", store: false };
      socket.send("{");
      assertEquals(errorOf(await socket.turn()).code, "invalid_json");
      const first = responseOf(await socket.create({ ...ask, input: "A" }));
      await socket.create({ ...ask, input: "B", previous_response_id: first.id });
      const messages = upstream.requests.at(-1)?.body.messages as Rec[];
      assertEquals(messages.map((message) => message.content), ["A", "Hello", "B"]);
      assertEquals(
        errorOf(await socket.create({ ...ask, input: "C" })).code,
        "session_limit_exceeded",
      );
      const warm = responseOf(await socket.create({ ...ask, input: "D", generate: false }));
      assertEquals(warm.output, []);
      socket.close();
      assertEquals((await socket.closed).code, 1005);
    },
  );

  await t.step("a configuration cannot be read again", async () => {
    const response = await worker.ask(0, "POST", "/admin/reload");
    assertEquals(response.status, 409);
    assertEquals((await response.json()).error.code, "reload_unavailable");
  });
  assert(!worker.output().includes("sk-synth-edge"), "a key in the log");
});

Deno.test("worker settles what a client leaves behind", async () => {
  await using world = await startWorld();
  const { upstream, worker } = world;
  const session = await openSession(worker, { tokens: 100_000 });
  upstream.enqueue({
    ...sse([frame(role()), frame(delta({ content: "abc ".repeat(40) }))]),
    steps: [frame(role()), frame(delta({ content: "abc ".repeat(40) })), { fault: "stall" }],
  });
  const client = new AbortController();
  const response = await worker.ask(
    0,
    "POST",
    "/v1/responses",
    { model: "mock-x", input: "Hi", stream: true },
    { "x-synth-session-id": session },
    client.signal,
  );
  const reader = response.body?.getReader();
  await reader?.read();
  const asked = await upstream.request(0);
  client.abort();
  await reader?.read().catch(() => {});
  await asked.closed;
  // The line is written when the lease is settled.
  const line = /^.*"model":"mock-x".*$/m.exec(await worker.says('"model":"mock-x"'))?.[0] ?? "";
  assertStringIncludes(line, '"usage_estimated":true');
  const books = await (await worker.ask(0, "GET", `/api/v1/sessions/${session}`)).json();
  const [limit] = books.limits as Rec[];
  assertEquals(limit?.held, 0);
  assert(Number(limit?.current_usage) >= 40, "what was produced is not in the books");
});

Deno.test("worker settles what a client of a WebSocket leaves behind", async () => {
  await using world = await startWorld();
  const { upstream, worker } = world;
  const session = await openSession(worker, { tokens: 100_000 });
  const begun = [frame(role()), frame(delta({ content: "abc ".repeat(40) }))];
  upstream.enqueue({ ...sse(begun), steps: [...begun, { fault: "stall" }] });
  const socket = await openSocket(worker.origins[0] ?? "", {
    ...worker.headers,
    "x-synth-session-id": session,
  });
  socket.send({ type: "response.create", model: "mock-x", store: false, input: "Hi" });
  while ((await socket.next()).type !== "response.output_text.delta");
  const asked = await upstream.request(0);
  socket.close();
  await asked.closed;
  const line = /^.*"model":"mock-x".*$/m.exec(await worker.says('"model":"mock-x"'))?.[0] ?? "";
  assertStringIncludes(line, '"error_code":"client_closed_request"');
  const books = await (await worker.ask(0, "GET", `/api/v1/sessions/${session}`)).json();
  const [limit] = books.limits as Rec[];
  assertEquals(limit?.held, 0);
  assert(Number(limit?.current_usage) >= 40, "what was produced is not in the books");
});

Deno.test("worker spends nothing while the store is away, and goes on after it", async () => {
  await using world = await startWorld();
  const { upstream, proxy, worker } = world;
  const session = await openSession(worker, { tokens: 100_000 });
  const request = { model: "mock-text", input: "Hi" };
  for (const fault of ["status_500", "garbled", "hang"] as const) {
    proxy.inject(...Array<typeof fault>(50).fill(fault));
    const { status, body } = await respond(worker, 0, session, request);
    assertEquals(status, 503, fault);
    assertEquals((body.error as Rec).code, "budget_store_unavailable");
    proxy.clear();
  }
  assertEquals(upstream.requests.length, 0);
  assertEquals((await respond(worker, 0, session, request)).status, 200);
});

Deno.test("worker says what its environment lacks, and no value of it", async (t) => {
  const store = { url: "https://example.invalid", token: "the-token-of-the-store" };
  const good = edgeEnvironment(billConfig("http://127.0.0.1:1/v1"), store);
  const cases: [string, string, Record<string, string>, string][] = [
    ["nothing at all", "edge_variable_missing", {}, "UPSTASH_REDIS_REST_TOKEN"],
    ["no seal keys", "edge_variable_missing", { ...good, SYNTH_SEAL_KEYS: "" }, "SYNTH_SEAL_KEYS"],
    [
      "a broken configuration",
      "config_invalid",
      { ...good, SYNTH_CONFIG_TOML: '[gateway]\nstroe = "hush-hush"' },
      "SYNTH_CONFIG_TOML",
    ],
    [
      "SQLite",
      "edge_store_unsupported",
      { ...good, SYNTH_CONFIG_TOML: "[gateway]" },
      'store = "upstash"',
    ],
  ];
  for (const [name, code, env, told] of cases) {
    await t.step(name, async () => {
      await using worker = await startWorkers(env);
      const response = await worker.ask(0, "GET", "/health");
      assertEquals(response.status, 503);
      const text = await response.text();
      assertEquals(JSON.parse(text).error.code, code);
      assertStringIncludes(JSON.parse(text).error.message, told);
      assert(!text.includes("hush-hush") && !text.includes(store.token), text);
    });
  }
});

async function ask(worker: EdgeGateways, body: Rec): Promise<{ status: number; body: Rec }> {
  const session = await openSession(worker, { tokens: 1_000_000 });
  return await respond(worker, 0, session, body);
}

/** Rate limits of keys through the whole gateway: refusals that clients retry, and slots that come back on every way out. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "@synth/core";
import { serveGateway } from "@synth/gateway/deno";
import { finish, frame, gate, httpError, sse, stream, text } from "./support/chat_replies.ts";
import { type RawReply, startUpstream } from "./support/scripted_upstream.ts";
import type { Rec } from "./support/response_shape.ts";
import { errorOf, openSocket, responseOf } from "./support/socket_client.ts";
import { startGateway, TEST_KEY, testConfig } from "./support/test_gateway.ts";

const BODY = { model: "up-a", input: "Hi" };
const STREAM = { ...BODY, stream: true };

Deno.test("a key over its requests a minute is told when to come back, and let in then", async () => {
  const clock = new FakeClock();
  await using it = await startGateway({ clock, settings: { requests_per_minute: 2 } });
  const hello = { model: "synth-demo", input: "Hi" };
  const first = await it.post("/v1/responses", hello);
  assertEquals(
    ["limit", "remaining", "reset"].map((n) => first.headers.get(`x-ratelimit-${n}-requests`)),
    ["2", "1", "1m1s"],
  );
  await first.body?.cancel();
  await (await it.post("/v1/chat/completions", { model: "none" })).body?.cancel();
  const refused = await it.post("/v1/responses", hello);
  assertEquals([refused.status, refused.headers.get("x-should-retry")], [429, null]);
  assertEquals(refused.headers.get("x-ratelimit-remaining-requests"), "0");
  const seconds = Number(refused.headers.get("retry-after"));
  const { error } = await refused.json();
  assertEquals([error.code, error.type], ["rate_limited", "rate_limit_error"]);
  assertStringIncludes(error.message, `try again in ${seconds}s`);
  // What asks for no model does not count.
  for (const path of ["/health", "/api/v1/me"]) {
    const other = await it.get(path);
    assertEquals([other.status, other.headers.get("x-ratelimit-limit-requests")], [200, null]);
    await other.body?.cancel();
  }
  await clock.tick(seconds * 1000);
  const again = await it.post("/v1/responses", hello);
  assertEquals(again.status, 200);
  await again.body?.cancel();
});

Deno.test("a reload puts other rate limits in force", async () => {
  let limit: number | null = 1;
  await using it = await startGateway({
    settings: { requests_per_minute: limit },
    loadConfig: () => Promise.resolve(testConfig({ settings: { requests_per_minute: limit } })),
  });
  const ask = async () => {
    const answer = await it.get("/v1/models");
    await answer.body?.cancel();
    return answer.status;
  };
  assertEquals([await ask(), await ask()], [200, 429]);
  limit = null;
  await it.gateway.reload();
  assertEquals([await ask(), await ask()], [200, 200]);
});

Deno.test("a key over its streams is refused, and whole answers are not", async () => {
  const { promise, open } = gate();
  await using upstream = await startUpstream({
    reply: ({ body }) =>
      body.stream === true && upstream.requests.length === 1
        ? sse([frame(text("a")), { wait: promise }, frame(finish("stop"))])
        : stream(text("a"), finish("stop")),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, settings: { max_streams: 1 } });
  const first = await it.post("/v1/responses", STREAM);
  assertEquals(first.status, 200);
  for (const path of ["/v1/responses", "/v1/chat/completions"]) {
    const body = path.includes("chat")
      ? { model: "up-a", stream: true, messages: [{ role: "user", content: "Hi" }] }
      : STREAM;
    const refused = await it.post(path, body);
    assertEquals([refused.status, refused.headers.get("retry-after")], [429, "2"]);
    assertEquals((await refused.json()).error.code, "rate_limited");
  }
  const whole = await it.post("/v1/responses", BODY);
  assertEquals(whole.status, 200);
  await whole.body?.cancel();
  open();
  assertStringIncludes(await first.text(), "response.completed");
  const next = await it.post("/v1/responses", STREAM);
  assertStringIncludes(await next.text(), "response.completed");
});

Deno.test("a stream's slot comes back on every way out", async () => {
  const clock = new FakeClock();
  const never = new Promise<void>(() => {});
  let reply: RawReply;
  await using upstream = await startUpstream({ reply: () => reply });
  const it = await startGateway({
    baseUrl: upstream.baseUrl,
    clock,
    settings: { max_streams: 1, idle_timeout_s: 10 },
  });
  // A connection that broke may be tried once more, after a moment of the clock.
  const whole = async (): Promise<number> => {
    let over = false;
    const asked = it.post("/v1/responses", STREAM).then(async (answer) => {
      await answer.text();
      return answer.status;
    }).finally(() => over = true);
    while (!over) await clock.tick(100);
    return await asked;
  };
  const ways: Record<string, () => Promise<void>> = {
    async "the client goes"() {
      reply = sse([frame(text("a")), { wait: never }]);
      await (await it.post("/v1/responses", STREAM)).body?.cancel();
    },
    async "the upstream refuses"() {
      reply = httpError(400, "No");
      await (await it.post("/v1/responses", STREAM)).text();
    },
    async "the upstream breaks off"() {
      reply = sse([frame(text("a")), { fault: "reset" }]);
      // It may break off before its head has been read, and is asked once more then.
      await whole();
    },
    async "the upstream is silent"() {
      reply = sse([frame(text("a")), { wait: never }]);
      const answer = (await it.post("/v1/responses", STREAM)).text();
      while (it.gateway.active > 0) await clock.tick(5000);
      assertStringIncludes(await answer, "response.failed");
    },
    async "the answer is complete"() {
      reply = stream(text("a"), finish("stop"));
      await (await it.post("/v1/responses", STREAM)).text();
    },
    async "the client goes before the answer"() {
      reply = sse([{ wait: never }]);
      const stop = new AbortController();
      const n = upstream.requests.length;
      const answer = it.post("/v1/responses", STREAM, { signal: stop.signal });
      await upstream.request(n);
      stop.abort();
      await (await answer).body?.cancel();
    },
  };
  for (const [name, leave] of Object.entries(ways)) {
    await leave();
    while (it.gateway.active > 0) await clock.tick(100);
    const answer = await it.get("/metrics");
    assertStringIncludes(await answer.text(), "\nsynth_streams_open 0\n", name);
    reply = stream(text("a"), finish("stop"));
    assertEquals(await whole(), 200, name);
  }
  const drained = it.gateway.drain(0);
  await clock.tick(10_000);
  await drained;
});

Deno.test("turns of a WebSocket count like requests, and the receipts of Codex do not", async () => {
  const clock = new FakeClock();
  await using it = await startGateway({ clock, settings: { requests_per_minute: 4 } });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  try {
    await using socket = await openSocket(server.url, { authorization: `Bearer ${TEST_KEY}` });
    const turn = { model: "synth-demo", store: false, input: "Hi" };
    for (let n = 0; n < 3; n++) {
      const { id } = responseOf(await socket.create(turn));
      socket.send({ type: "response.processed", response_id: id });
    }
    const [refused] = await socket.create(turn);
    assertEquals([refused?.status, errorOf([refused!]).code], [429, "rate_limited"]);
    const wait = Number((refused?.headers as Rec)["retry-after"]);
    await clock.tick(wait * 1000);
    assertEquals(responseOf(await socket.create(turn)).status, "completed");
  } finally {
    await server.stop(0);
  }
});

/** What goes to an upstream, and what is tried again, over real sockets. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { finish, httpError, stream, text, usage } from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, ImpatientClock, startGateway } from "./support/test_gateway.ts";

const BODY = { model: "up-model", input: "Say hi" };
const CHAT = { model: "up-model", messages: [{ role: "user", content: "Say hi" }] };
const HELLO = stream(text("Hello"), finish("stop"), usage());

Deno.test("gateway waits as long as Retry-After says, within a total", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(httpError(429, "x", null, { "retry-after": "3" }));
  upstream.enqueue(httpError(503, "x", null, { "retry-after-ms": "1500" }), HELLO);
  const clock = new ImpatientClock();
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, clock, admission });
  const response = await it.post("/v1/responses", BODY);
  assertEquals(response.status, 200);
  assertEquals(clock.slept, [3000, 1500]);
  assertEquals(admission.book, ["admit lease1", "settle lease1 11+7 5"]);
  await response.body?.cancel();
});

Deno.test("gateway tries a refused connection again on the same lease, then says 504", async () => {
  const clock = new ImpatientClock();
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: "http://127.0.0.1:1/v1", clock, admission });
  const response = await it.post("/v1/responses", BODY);
  assertEquals(response.status, 504);
  assertEquals((await response.json()).error.code, "upstream_unreachable");
  assertEquals(clock.slept.length, 2);
  assertEquals(admission.book, ["admit lease1", "release lease1"]);
  const streamed = await it.post("/v1/responses", { ...BODY, stream: true });
  assertEquals(streamed.status, 200);
  assertEquals((await eventsOf(streamed)).at(-1)?.type, "response.failed");
});

Deno.test("gateway leaves out what an upstream does not support, and remembers it", async () => {
  await using upstream = await startUpstream({
    reply: ({ body }) =>
      "stream_options" in body ? httpError(400, "Unsupported parameter: 'stream_options'") : HELLO,
  });
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  for (const attempts of [2, 3]) {
    const response = await it.post("/v1/responses", BODY);
    assertEquals(response.status, 200);
    assertEquals(upstream.requests.length, attempts);
    await response.body?.cancel();
  }
  assertEquals(admission.book.filter((line) => line.startsWith("admit")).length, 2);
  assertEquals(upstream.problems.splice(0).length, 2, "the checker misses stream_options");
});

Deno.test("gateway renames the cap of the output and never drops it", async () => {
  await using upstream = await startUpstream({
    reply: ({ body }) =>
      "max_tokens" in body
        ? httpError(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'")
        : HELLO,
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", { ...BODY, max_output_tokens: 99 });
  assertEquals(response.status, 200);
  assertEquals(upstream.requests.map(({ body }) => [body.max_tokens, body.max_completion_tokens]), [
    [99, undefined],
    [undefined, 99],
  ]);
  await response.body?.cancel();
});

Deno.test("gateway keeps the cap when both of its names are refused", async () => {
  await using upstream = await startUpstream({
    reply: ({ body }) =>
      httpError(
        400,
        `Unsupported parameter: '${"max_tokens" in body ? "max_tokens" : "max_completion_tokens"}'`,
      ),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  for (let i = 0; i < 3; i++) {
    const response = await it.post("/v1/responses", { ...BODY, max_output_tokens: 99 });
    assertEquals(response.status, 400);
    await response.body?.cancel();
  }
  assert(
    upstream.requests.every(({ body }) =>
      body.max_tokens === 99 || body.max_completion_tokens === 99
    ),
  );
});

Deno.test("gateway does not let an error that quotes one client change the requests of others", async () => {
  // A server that quotes the request, and knows but one of the names of the cap.
  const echo = (body: Record<string, unknown>) => httpError(400, `Invalid user: ${body["user"]}`);
  await using upstream = await startUpstream({
    reply: ({ body }) => typeof body.user === "string" ? echo({ ...body }) : HELLO,
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const ask = async (more: Record<string, unknown>): Promise<void> => {
    const messages = [{ role: "user", content: "hi" }];
    const body = { model: BODY.model, messages, stream: true, max_tokens: 99, ...more };
    await (await it.post("/v1/chat/completions", body)).body?.cancel();
  };
  await ask({ user: "unsupported max_tokens, unknown stream_options" });
  await ask({});
  const last = upstream.requests.at(-1)!.body;
  assertEquals([last.max_tokens, last.max_completion_tokens], [99, undefined]);
  assert("stream_options" in last);
  assertEquals(upstream.problems.splice(0).length, 2, "the checker misses stream_options");
});

Deno.test("gateway finds out about several parameters in one request, and keeps a cap whose value is refused", async () => {
  await using upstream = await startUpstream({
    reply: ({ body }) =>
      "stream_options" in body
        ? httpError(400, "Unsupported parameter: 'stream_options'")
        : "parallel_tool_calls" in body
        ? httpError(400, "Unsupported parameter: 'parallel_tool_calls'")
        : Number(body.max_tokens) > 1000
        ? httpError(400, "max_tokens is too large: this model does not support more than 1000")
        : HELLO,
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const ask = async (max_tokens: number): Promise<number> => {
    const messages = [{ role: "user", content: "hi" }];
    const body = { model: BODY.model, messages, stream: true, parallel_tool_calls: true };
    const response = await it.post("/v1/chat/completions", { ...body, max_tokens });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals([await ask(99), upstream.requests.length], [200, 3]);
  assertEquals([await ask(5000), upstream.requests.length], [400, 4]);
  assertEquals(upstream.requests.at(-1)!.body.max_tokens, 5000);
  upstream.problems.splice(0);
});

Deno.test("gateway sends an upstream its own headers and none of the client's", async () => {
  await using upstream = await startUpstream({ reply: () => HELLO });
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: { api_key_env: "UP_KEY", headers: { "x-title": "mine" } },
    secrets: { env: (name) => name === "UP_KEY" ? "key-of-the-upstream" : undefined },
  });
  const response = await it.post("/v1/responses", BODY, {
    headers: {
      cookie: "a=b",
      "x-codex-turn-metadata": "{}",
      "session-id": "s",
      "x-forwarded-for": "1.2.3.4",
      originator: "codex_exec",
    },
  });
  const names = [...upstream.requests[0]!.headers.keys()].sort();
  assertEquals(
    names,
    [
      "accept",
      "accept-encoding",
      "authorization",
      "content-length",
      "content-type",
      "host",
      "user-agent",
      "x-request-id",
      "x-title",
    ]
      .concat(names.includes("connection") ? ["connection"] : []).sort(),
  );
  assertEquals(upstream.requests[0]!.headers.get("authorization"), "Bearer key-of-the-upstream");
  assertEquals(
    upstream.requests[0]!.headers.get("x-request-id"),
    response.headers.get("x-request-id"),
  );
  await response.body?.cancel();
});

Deno.test("gateway forwards no header of an upstream's answer", async () => {
  const reply: RawReply = {
    ...HELLO,
    headers: {
      ...HELLO.headers,
      "openai-model": "other",
      "set-cookie": "a=b",
      server: "x",
      "x-up": "1",
    },
  };
  await using upstream = await startUpstream({ reply: () => reply });
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    admission: new RecordingAdmission(),
  });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  assertEquals([...response.headers.keys()].sort(), [
    "cache-control",
    "content-type",
    "referrer-policy",
    "x-accel-buffering",
    "x-content-type-options",
    "x-left",
    "x-request-id",
  ]);
  await response.body?.cancel();
});

Deno.test("gateway refuses an upstream's endless header", async () => {
  const reply: RawReply = {
    ...HELLO,
    headers: { ...HELLO.headers, "x-long": "x".repeat(100_000) },
  };
  await using upstream = await startUpstream({ reply: () => reply });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", BODY);
  assertEquals(response.status, 502);
  assertStringIncludes((await response.json()).error.message, "header is too large");
});

Deno.test("gateway inflates an upstream that compresses although it was asked not to", async () => {
  const plain = HELLO.steps.join("");
  const packed = new Uint8Array(
    await new Response(new Blob([plain]).stream().pipeThrough(new CompressionStream("gzip")))
      .arrayBuffer(),
  );
  const reply: RawReply = {
    ...HELLO,
    headers: { ...HELLO.headers, "content-encoding": "gzip" },
    steps: [packed],
  };
  await using upstream = await startUpstream({ reply: () => reply });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", BODY);
  assertEquals((await response.json()).output[0].content[0].text, "Hello");
});

Deno.test("gateway says that what answers with a web page is no model", async () => {
  const page = { "content-type": "Text/HTML; charset=utf-8" };
  await using upstream = await startUpstream({
    reply: () => ({ status: 200, headers: page, steps: ["<html>Log in</html>"] }),
  });
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  for (const [path, body] of [["responses", BODY], ["chat/completions", CHAT]] as const) {
    const response = await it.post(`/v1/${path}`, body);
    assertEquals(response.status, 502);
    const { error } = await response.json();
    assertEquals(error.code, "upstream_invalid_answer", path);
    if (path === "responses") assertStringIncludes(error.message, "base_url");
  }
  const streamed = await eventsOf(await it.post("/v1/responses", { ...BODY, stream: true }));
  assertEquals(streamed.at(-1)?.type, "response.failed");
  assertStringIncludes(JSON.stringify(streamed.at(-1)), "web page");
  const ends = admission.book.filter((line) => !line.startsWith("admit"));
  assertEquals(ends, ["charge lease1", "charge lease2", "charge lease3"]);
});

/** While an answer runs: clients that go, silence, cuts, slow settlements, odd text, over real sockets. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import { serveGateway } from "@synth/gateway/deno";
import { finish, frame, sse, stream, text, usage } from "./support/chat_replies.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import { checkEvents, finalResponse, parseSseText } from "./support/response_invariants.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway, TEST_KEY } from "./support/test_gateway.ts";

const BODY = { model: "up-model", input: "Say hi" };
const HELLO = stream(text("Hello"), finish("stop"), usage());

Deno.test("gateway stops the upstream when the client of a stream goes", async () => {
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("Hel")), { fault: "stall" }]),
  });
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const client = new AbortController();
  const response = await fetch(`${server.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: JSON.stringify({ ...BODY, stream: true }),
    signal: client.signal,
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("output_text.delta")) seen += (await reader.read()).value ?? "";
  client.abort();
  await reader.read().catch(() => {});
  await (await upstream.request(0)).closed;
  await server.stop();
  assertEquals(admission.book, ["admit lease1", "settle lease1 estimated 3"]);
  const { outcome, error_code } = JSON.parse(it.lines.at(-1) ?? "{}");
  assertEquals([outcome, error_code], ["aborted", "client_closed_request"], "nobody's failure");
});

Deno.test("gateway stops the upstream when the client of a whole answer goes", async () => {
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("Hel")), { fault: "stall" }]),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const client = new AbortController();
  const answer = fetch(`${server.url}/v1/responses`, {
    method: "POST",
    headers: { authorization: `Bearer ${TEST_KEY}` },
    body: JSON.stringify(BODY),
    signal: client.signal,
  }).catch(() => "gone");
  const request = await upstream.request(0);
  client.abort();
  assertEquals(await answer, "gone");
  await request.closed;
  await server.stop();
});

Deno.test("gateway ends a stream whose upstream falls silent, and keeps the client awake before", async () => {
  const clock = new FakeClock();
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("Hel")), { fault: "stall" }]),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, clock });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  while (!seen.includes("output_text.delta")) seen += (await reader.read()).value ?? "";
  const rest = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) seen += next.value;
  })();
  for (let i = 0; i < 136; i++) await clock.tick(1000);
  await rest;
  const events = parseSseText(seen);
  assertEquals(checkEvents(events), []);
  assertEquals(events.filter((event) => event.type === "keepalive").length, 8);
  assertEquals(events.at(-1)?.type, "response.failed");
  await (await upstream.request(0)).closed;
});

Deno.test("gateway ends what takes longer than the deadline", async () => {
  const clock = new FakeClock();
  await using upstream = await startUpstream({ reply: () => sse([{ fault: "stall" }]) });
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    clock,
    settings: { request_deadline_s: 30 },
  });
  const answer = it.post("/v1/responses", BODY);
  await upstream.request(0);
  await clock.tick(30_000);
  const response = await answer;
  assertEquals(response.status, 504);
  assertEquals((await response.json()).error.code, "request_deadline_exceeded");
});

Deno.test("gateway cuts an upstream that ignores its cap", async () => {
  const chunk = frame(text("x".repeat(100)));
  await using upstream = await startUpstream({
    reply: () => sse([...Array<string>(50).fill(chunk), { fault: "stall" }]),
  });
  const admission = new RecordingAdmission(20);
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  const events = await eventsOf(response);
  assertEquals(checkEvents(events), []);
  const final = finalResponse(events);
  assertEquals([final.status, final.incomplete_details], ["incomplete", {
    reason: "max_output_tokens",
  }]);
  assertEquals(upstream.requests[0]!.body.max_tokens, 20);
  await (await upstream.request(0)).closed;
});

Deno.test("gateway writes what arrives together as one chunk", async () => {
  const frames = Array.from({ length: 50 }, (_, n) => frame(text(`w${n} `))).join("");
  await using upstream = await startUpstream({
    reply: () => sse([frames + frame(finish("stop")) + frame(usage()) + "data: [DONE]\n\n"]),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  let chunks = 0;
  for await (const chunk of response.body!) chunks += chunk.length > 0 ? 1 : 0;
  assert(chunks <= 3, `${chunks} chunks`);
});

Deno.test("gateway carries line separators, control characters and a megabyte of arguments unharmed", async () => {
  const odd = "a\r\nb\u2028c\u2029d\u0085e\u0000f\n\ndata: {}\n\nevent: x";
  const args = JSON.stringify({ text: "y".repeat(1_000_000) });
  const call = {
    index: 0,
    id: "call_1",
    type: "function",
    function: { name: "f", arguments: args },
  };
  await using upstream = await startUpstream({
    reply: () =>
      stream(
        text(odd),
        { choices: [{ index: 0, delta: { tool_calls: [call] } }] },
        finish("tool_calls"),
        usage(),
      ),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const tools = [{ type: "function", name: "f", parameters: {} }];
  const response = await it.post("/v1/responses", { ...BODY, tools, stream: true });
  const raw = await response.text();
  assertFalse(/\r/.test(raw));
  const events = parseSseText(raw);
  assertEquals(checkEvents(events), []);
  const output = finalResponse(events).output as {
    content: { text: string }[];
    arguments: string;
  }[];
  assertEquals(output[0]!.content[0]!.text, odd);
  assertEquals(output[1]!.arguments, args);
});

Deno.test("gateway waits for a slow settlement, but not for ever", async () => {
  const clock = new FakeClock();
  const settled = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const admission = new RecordingAdmission();
  admission.settle = () => {
    asked.resolve();
    return settled.promise;
  };
  await using upstream = await startUpstream({ reply: () => HELLO });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, clock, admission });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  let done = false;
  const reading = response.text().then((raw) => {
    done = true;
    return raw;
  });
  await asked.promise;
  await clock.tick(1999);
  assertFalse(done, "the terminal event waits");
  await clock.tick(1);
  assertStringIncludes(await reading, "response.completed");
  settled.resolve();
});

Deno.test("gateway hides a refusal to settle from the client and tells the log", async () => {
  const admission = new RecordingAdmission();
  admission.settle = () => Promise.reject(new Error("store is down"));
  await using upstream = await startUpstream({ reply: () => HELLO });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const response = await it.post("/v1/responses", { ...BODY, stream: true });
  assertEquals((await eventsOf(response)).at(-1)?.type, "response.completed");
  assertStringIncludes(it.lines.join("\n"), '"settlement":"failed"');
});

Deno.test("gateway calls no upstream that admission refuses", async () => {
  await using upstream = await startUpstream({ reply: () => HELLO });
  const admission = new RecordingAdmission();
  const refusal = new SynthError("Spent", {
    code: "session_limit_exceeded",
    status: 429,
    headers: { "x-should-retry": "false" },
  });
  admission.admit = () => Promise.reject(refusal);
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  for (const stream of [true, false]) {
    const response = await it.post("/v1/responses", { ...BODY, stream });
    assertEquals(response.status, 429);
    assertEquals(response.headers.get("x-should-retry"), "false");
    assertEquals((await response.json()).error.code, "session_limit_exceeded");
  }
  const chat = await it.post("/v1/chat/completions", {
    model: "up-x",
    messages: [{ role: "user", content: "x" }],
  });
  assertEquals(chat.status, 429);
  await chat.body?.cancel();
  assertEquals(upstream.requests.length, 0);
});

/** Chat Completions passed through. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { type Settlement, UnmeteredAdmission } from "@synth/gateway";
import type { Lease } from "../gateway/sessions/lease.ts";
import {
  completion,
  errorChunk,
  finish,
  frame,
  httpError,
  json,
  sse,
  stream,
  streamWithoutDone,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { startGateway } from "./support/test_gateway.ts";

const CHAT = { model: "renamed", messages: [{ role: "user", content: "Say hi" }] };
const HELLO = stream(text("Hel"), text("lo"), finish("stop"), usage());

/** Remembers settlements. */
class Book extends UnmeteredAdmission {
  readonly settled: Settlement[] = [];
  override settle(_lease?: Lease, settlement?: Settlement): Promise<void> {
    if (settlement !== undefined) this.settled.push(settlement);
    return Promise.resolve();
  }
}

function dataOf(raw: string): unknown[] {
  return raw.split("\n\n").filter((event) => event.startsWith("data: {")).map((event) =>
    JSON.parse(event.slice(6))
  );
}

Deno.test("chat renames the model, asks for usage and hides it from a client that did not", async () => {
  await using upstream = await startUpstream({ reply: () => HELLO });
  const admission = new Book();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const response = await it.post("/v1/chat/completions", { ...CHAT, stream: true });
  const raw = await response.text();
  assertEquals(upstream.requests[0]!.body.model, "mock-text");
  assertEquals(upstream.requests[0]!.body.stream_options, { include_usage: true });
  assertEquals(dataOf(raw).length, 3);
  assertFalse(raw.includes("prompt_tokens"));
  assert(raw.endsWith("data: [DONE]\n\n"));
  assertEquals(
    admission.settled.map((
      { usage, outputBytes },
    ) => [usage.inputTokens, usage.outputTokens, usage.reported, outputBytes]),
    [[11, 7, true, 5]],
  );
});

Deno.test("chat shows usage to a client that asked", async () => {
  await using upstream = await startUpstream({ reply: () => HELLO });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/chat/completions", {
    ...CHAT,
    stream: true,
    stream_options: { include_usage: true, other: 1 },
  });
  assertEquals((dataOf(await response.text()).at(-1) as { choices: unknown[] }).choices, []);
  assertEquals(upstream.requests[0]!.body.stream_options, { include_usage: true, other: 1 });
});

Deno.test("chat passes on what it does not know, both ways", async () => {
  const reply = json(200, { ...completion({ content: "Hello" }, "stop"), provider: "x" });
  await using upstream = await startUpstream({ reply: () => reply });
  const admission = new Book();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const response = await it.post("/v1/chat/completions", {
    ...CHAT,
    logit_bias: { 1: 2 },
    provider: { order: ["a"] },
  });
  assertEquals(response.status, 200);
  assertEquals((await response.json()).provider, "x");
  const { body } = upstream.requests[0]!;
  assertEquals([body.logit_bias, body.provider, body.stream], [{ 1: 2 }, { order: ["a"] }, false]);
  assertEquals(admission.settled[0]!.usage.totalTokens, 18);
});

const FAILURES: readonly [string, RawReply, number, string][] = [
  ["a 400", httpError(400, "no", "bad_thing"), 400, "bad_thing"],
  ["a 429", httpError(429, "no", null, { "retry-after": "30" }), 429, "rate_limit_exceeded"],
  ["a 401", httpError(401, "no"), 502, "upstream_auth"],
  [
    "an error in a 200",
    json(200, { error: { message: "no", code: 400 } }),
    400,
    "upstream_rejected",
  ],
];

for (const [name, reply, status, code] of FAILURES) {
  for (const stream of [true, false]) {
    Deno.test(`chat answers an upstream's ${name} with ${status}, ${stream ? "streamed" : "whole"}`, async () => {
      await using upstream = await startUpstream({ reply: () => reply });
      await using it = await startGateway({ baseUrl: upstream.baseUrl });
      const response = await it.post("/v1/chat/completions", { ...CHAT, stream });
      assertEquals(response.status, status);
      assertEquals((await response.json()).error.code, code);
      assert(response.headers.has("x-request-id"));
    });
  }
}

Deno.test("chat refuses a whole answer that is none", async () => {
  for (const steps of [["{"], ["[]"], ["<html>"], []]) {
    await using upstream = await startUpstream({
      reply: () => ({ status: 200, headers: {}, steps }),
    });
    await using it = await startGateway({ baseUrl: upstream.baseUrl });
    const response = await it.post("/v1/chat/completions", CHAT);
    assertEquals(response.status, 502);
    assertEquals((await response.json()).error.code, "upstream_invalid_answer");
  }
});

const ENDS: readonly [string, RawReply, string | null][] = [
  ["a cut", sse([frame(text("Hel")), { fault: "cut" }]), "server_error"],
  ["an end without a reason", streamWithoutDone(text("Hel")), "server_error"],
  ["an error chunk", stream(text("Hel"), errorChunk("broke")), "server_error"],
  ["a missing [DONE]", streamWithoutDone(text("Hel"), finish("stop")), null],
];

for (const [name, reply, code] of ENDS) {
  Deno.test(`chat ends a stream with ${name} in one way`, async () => {
    await using upstream = await startUpstream({ reply: () => reply });
    await using it = await startGateway({ baseUrl: upstream.baseUrl });
    const raw = await (await it.post("/v1/chat/completions", { ...CHAT, stream: true })).text();
    assertStringIncludes(raw, '"content":"Hel"');
    const last = dataOf(raw).at(-1) as { error?: { code: string } };
    assertEquals(last.error?.code ?? null, code);
    assertEquals(raw.endsWith("data: [DONE]\n\n"), code === null);
  });
}

Deno.test("chat carries what looks like events inside text", async () => {
  const odd = "a\n\ndata: [DONE]\n\n\u2028\r\n";
  await using upstream = await startUpstream({ reply: () => stream(text(odd), finish("stop")) });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const raw = await (await it.post("/v1/chat/completions", { ...CHAT, stream: true })).text();
  const first = dataOf(raw)[0] as { choices: { delta: { content: string } }[] };
  assertEquals(first.choices[0]!.delta.content, odd);
});

Deno.test("chat refuses a body that it cannot judge", async () => {
  await using it = await startGateway();
  for (
    const [body, param] of [
      [{ messages: [] }, "model"],
      [{ model: "renamed", messages: [] }, "messages"],
      [{ model: "renamed", messages: ["x"] }, "messages[0]"],
      [{ ...CHAT, stream: "yes" }, "stream"],
      [{ ...CHAT, max_tokens: -1 }, "max_tokens"],
    ] as const
  ) {
    const response = await it.post("/v1/chat/completions", body);
    assertEquals(response.status, 400);
    assertEquals((await response.json()).error.param, param);
  }
  const unknown = await it.post("/v1/chat/completions", { ...CHAT, model: "nope" });
  assertEquals(unknown.status, 404);
  await unknown.body?.cancel();
});

/** What upstreams do before and while they answer, over real sockets: errors, retries, silence, and clients that go. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { FakeClock, type SynthError } from "@synth/core";
import type { Admission, Admitted, Settlement } from "@synth/gateway";
import { type Lease, metered } from "../gateway/sessions/lease.ts";
import { serveGateway } from "@synth/gateway/deno";
import {
  finish,
  frame,
  httpError,
  json,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import { checkEvents, finalResponse, parseSseText } from "./support/response_invariants.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, ImpatientClock, startGateway, TEST_KEY } from "./support/test_gateway.ts";
import type { RawReply } from "./support/raw_http.ts";

const BODY = { model: "up-model", input: "Say hi" };
const HELLO = stream(text("Hello"), finish("stop"), usage());

/** Keeps a book of what was done to which lease. */
class RecordingAdmission implements Admission {
  readonly book: string[] = [];
  readonly #grant: number | null;
  #n = 0;

  constructor(grant: number | null = null) {
    this.#grant = grant;
  }

  admit(): Promise<Admitted> {
    return Promise.resolve({ lease: this.#next("admit"), headers: { "x-left": "7" } });
  }

  renew(lease: Lease): Promise<Lease> {
    this.book.push(`charge ${lease.id}`);
    return Promise.resolve(this.#next("renew"));
  }

  settle(lease: Lease, { usage, outputBytes }: Settlement): Promise<void> {
    const { inputTokens, outputTokens, reported } = usage;
    this.book.push(
      `settle ${lease.id} ${
        reported ? `${inputTokens}+${outputTokens}` : "estimated"
      } ${outputBytes}`,
    );
    return Promise.resolve();
  }

  charge(lease: Lease): Promise<void> {
    this.book.push(`charge ${lease.id}`);
    return Promise.resolve();
  }

  release(lease: Lease): Promise<void> {
    this.book.push(`release ${lease.id}`);
    return Promise.resolve();
  }

  #next(how: string): Lease {
    const id = `lease${++this.#n}`;
    this.book.push(`${how} ${id}`);
    return metered(id, this.#grant);
  }
}

/** Appendix C: the upstream's answer, our answer to a unary request, the attempts, and what became of the leases. */
const MATRIX: readonly {
  name: string;
  reply: RawReply;
  status: number;
  code: string;
  attempts: number;
  book: string;
  /** Streams get `response.failed` with this code instead of an HTTP error. */
  inStream?: string;
  headers?: Record<string, string>;
}[] = [
  {
    name: "400",
    reply: json(400, { error: { message: "no good" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "400 with a code",
    reply: httpError(400, "no good", "bad_thing"),
    status: 400,
    code: "bad_thing",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "400 context length",
    reply: httpError(400, "maximum context length is 8192 tokens"),
    status: 400,
    code: "context_length_exceeded",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "404",
    reply: json(404, { error: { message: "no such model" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "422",
    reply: json(422, { error: { message: "no good" } }),
    status: 400,
    code: "upstream_rejected",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "401",
    reply: httpError(401, "bad key sk-hint"),
    status: 502,
    code: "upstream_auth",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "403",
    reply: httpError(403, "forbidden"),
    status: 502,
    code: "upstream_auth",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "402",
    reply: httpError(402, "pay"),
    status: 429,
    code: "insufficient_quota",
    attempts: 1,
    book: "release lease1",
    headers: { "x-should-retry": "false" },
  },
  {
    name: "408",
    reply: httpError(408, "slow"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "409",
    reply: httpError(409, "conflict"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "425",
    reply: httpError(425, "early"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "413",
    reply: httpError(413, "large"),
    status: 400,
    code: "context_length_exceeded",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "429",
    reply: httpError(429, "slow down"),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 3,
    book: "release lease1",
    headers: { "retry-after": "2" },
  },
  {
    name: "429 for long",
    reply: httpError(429, "slow down", null, { "retry-after": "60" }),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 1,
    book: "release lease1",
    headers: { "retry-after": "60" },
  },
  {
    name: "429 without quota",
    reply: httpError(429, "You exceeded your current quota", "insufficient_quota"),
    status: 429,
    code: "insufficient_quota",
    attempts: 1,
    book: "release lease1",
  },
  {
    name: "503",
    reply: httpError(503, "busy"),
    status: 502,
    code: "upstream_error",
    attempts: 3,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "500",
    reply: httpError(500, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "502",
    reply: httpError(502, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "504",
    reply: httpError(504, "broke"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "529",
    reply: httpError(529, "busy"),
    status: 502,
    code: "upstream_error",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "501",
    reply: httpError(501, "never"),
    status: 502,
    code: "upstream_error",
    attempts: 1,
    book: "release lease1",
    inStream: "server_error",
  },
  {
    name: "307",
    reply: { status: 307, headers: { location: "http://127.0.0.1:1/" }, steps: [] },
    status: 502,
    code: "upstream_redirect",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "200 with an error 429",
    reply: json(200, { error: { message: "slow down", code: 429 } }),
    status: 429,
    code: "rate_limit_exceeded",
    attempts: 1,
    book: "release lease1",
    headers: { "retry-after": "2" },
  },
  {
    name: "200 with an error 500",
    reply: json(200, { error: { message: "broke", code: 500 } }),
    status: 502,
    code: "upstream_error",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "200 with broken JSON",
    reply: { status: 200, headers: { "content-type": "application/json" }, steps: ["{"] },
    status: 502,
    code: "upstream_invalid_answer",
    attempts: 1,
    book: "charge lease1",
    inStream: "server_error",
  },
  {
    name: "a closed connection",
    reply: sse([], { before: "cut" }),
    status: 502,
    code: "upstream_unreachable",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
  {
    name: "a reset",
    reply: sse([], { before: "reset" }),
    status: 502,
    code: "upstream_unreachable",
    attempts: 2,
    book: "charge lease1,renew lease2,charge lease2",
    inStream: "server_error",
  },
];

for (const row of MATRIX) {
  for (const stream of [false, true]) {
    Deno.test(`gateway answers an upstream's ${row.name}, ${stream ? "streamed" : "whole"}`, async () => {
      await using upstream = await startUpstream({ reply: () => row.reply });
      const clock = new ImpatientClock();
      const admission = new RecordingAdmission();
      await using it = await startGateway({ baseUrl: upstream.baseUrl, clock, admission });
      const response = await it.post("/v1/responses", { ...BODY, stream });
      if (stream && row.inStream !== undefined) {
        assertEquals(response.status, 200);
        const events = await eventsOf(response);
        assertEquals(checkEvents(events), []);
        const error = finalResponse(events).error as { code: string };
        assertEquals(error.code, row.inStream);
      } else {
        assertEquals(response.status, row.status);
        const { error } = await response.json();
        assertEquals(error.code, row.code);
        for (const [name, value] of Object.entries(row.headers ?? {})) {
          assertEquals(response.headers.get(name), value);
        }
      }
      assertEquals(upstream.requests.length, row.attempts);
      assertEquals(admission.book.join(), `admit lease1,${row.book}`);
    });
  }
}

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
  const { SynthError } = await import("@synth/core");
  const refusal: SynthError = new SynthError("Spent", {
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

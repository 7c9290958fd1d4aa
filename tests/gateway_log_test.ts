/** The log line of a request says what became of it, in its level, its outcome and its code. */
import { assertEquals } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ON_LIMIT_KEY } from "../gateway/sessions/on_limit.ts";
import type { TransportReply, UpstreamTransport } from "../gateway/upstreams/transport.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import {
  errorChunk,
  finish,
  frame,
  httpError,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock, startGateway } from "./support/test_gateway.ts";

const ASKED: readonly [path: string, body: Rec][] = [
  ["/v1/responses", { model: "up-a", input: "Hi" }],
  ["/v1/chat/completions", { model: "up-a", messages: [{ role: "user", content: "Hi" }] }],
];

function lineOf(lines: readonly string[]): Rec {
  return JSON.parse(lines.at(-1) ?? "");
}

Deno.test("a stream that failed is logged as an error, though its status is 200", async () => {
  const ways: readonly [reply: Parameters<typeof httpError> | Rec, level: string][] = [
    [[401, "No"], "error"],
    [errorChunk("No"), "error"],
    [errorChunk("Too long", "context_length_exceeded"), "info"],
  ];
  for (const [reply, level] of ways) {
    await using upstream = await startUpstream();
    await using it = await startGateway({ baseUrl: upstream.baseUrl });
    upstream.enqueue(Array.isArray(reply) ? httpError(...reply) : sse([frame(reply)]));
    const answer = await it.post("/v1/responses", { ...ASKED[0]![1], stream: true });
    await answer.text();
    const line = lineOf(it.lines);
    assertEquals([answer.status, line.outcome, line.level], [200, "failed", level], `${reply}`);
  }
});

Deno.test("a stream that a stopping gateway ends is no failure in the log", async () => {
  await using upstream = await startUpstream();
  const clock = new ImpatientClock();
  const it = await startGateway({ baseUrl: upstream.baseUrl, clock });
  upstream.enqueue(sse([frame(text("a")), { fault: "stall" }]));
  const answer = await it.post("/v1/responses", { ...ASKED[0]![1], stream: true });
  const body = answer.text();
  const drained = it.gateway.drain(0);
  for (let n = 0; n < 3; n++) await clock.tick(5000);
  await Promise.all([body, drained]);
  const line = lineOf(it.lines);
  assertEquals([line.outcome, line.level], ["failed", "info"]);
});

Deno.test("a client that goes when the upstream has just answered has aborted its stream", async () => {
  for (const [path, body] of ASKED) {
    const stop = new AbortController();
    const transport: UpstreamTransport = {
      send() {
        stop.abort();
        const headers = new Map([["content-type", "text/event-stream"]]);
        const silent = { read: () => Promise.resolve(null), cancel() {} };
        return Promise.resolve({ status: 200, headers, body: silent } as TransportReply);
      },
      close: () => Promise.resolve(),
    };
    await using it = await startGateway({ transport });
    const answer = await it.post(path, { ...body, stream: true }, { signal: stop.signal });
    await answer.body?.cancel();
    const line = lineOf(it.lines);
    assertEquals(
      [line.status, line.outcome, line.error_code, line.level],
      [200, "aborted", "client_closed_request", "info"],
      path,
    );
    const counted = (await (await it.get("/metrics")).text()).split("\n");
    for (
      const sample of [
        'synth_streams_total{outcome="aborted"} 1',
        `synth_http_requests_total{route="${path}",method="POST",status="2xx"} 1`,
      ]
    ) assertEquals(counted.includes(sample), true, `${path} ${sample}`);
  }
});

Deno.test("a refusal that the client gets as a message is a refusal in the log", async () => {
  await using upstream = await startUpstream({
    reply: () => stream(text("Hi"), finish("stop"), usage()),
  });
  const ledger = await openSqliteLedger({ path: ":memory:" });
  await using it = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger });
  const id = await openIn(ledger, [hard("api_calls", 0)], { [ON_LIMIT_KEY]: "message" });
  for (const [path, body] of ASKED) {
    for (const streamed of [true, false]) {
      const asked = { ...body, stream: streamed };
      const answer = await it.ask(asked, { "x-synth-session-id": id }, path);
      await answer.text();
      const { status, error_code: code, level } = lineOf(it.lines);
      assertEquals([status, code, level], [200, "session_limit_exceeded", "info"], path);
    }
  }
});

Deno.test("a settlement that fails after its answer is in the log", async () => {
  await using upstream = await startUpstream({
    reply: () => stream(text("Hi"), finish("stop"), usage()),
  });
  const clock = new FakeClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const tried = Promise.withResolvers<void>();
  const away = new Proxy(ledger, {
    get(target, name) {
      if (name === "settle") {
        const error = new SynthError("away", { code: "store_unavailable", status: 503 });
        tried.resolve();
        return () => Promise.reject(error);
      }
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const it = await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger: away, clock });
  let over = false;
  const asked = it.ask(ASKED[0]![1]).then((answer) => answer.text()).finally(() => over = true);
  await tried.promise;
  while (!over) await clock.tick(500);
  await asked;
  const line = lineOf(it.lines);
  assertEquals([line.msg, line.settlement], ["request", "late"]);
  let settled = false;
  const settling = it.settled().then(() => settled = true);
  while (!settled) await clock.tick(500);
  await settling;
  const told = lineOf(it.lines);
  assertEquals([told.level, told.lease, (told.error as Rec).code], [
    "error",
    line.lease,
    "store_unavailable",
  ]);
  await it.gateway.drain(0);
});

/** The spans of a gateway, told to a provider in this process: each ends once, on every way out, and says what is its own. */
import { assertEquals } from "@std/assert";
import { configSchema, type SynthConfig } from "@synth/core/config";
import {
  type AttributeValue,
  type Span,
  type SpanOptions,
  type SpanStatus,
  trace,
  type TracerProvider,
} from "@opentelemetry/api";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { startBudgetGateway } from "./support/budget_in_process.ts";
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
import { ImpatientClock } from "./support/test_gateway.ts";

/** A span as it was told. */
interface Told {
  readonly name: string;
  readonly attributes: Record<string, AttributeValue | undefined>;
  status: number;
  ends: number;
}

/** Keeps what it is told. Disposing takes it out of the process. */
function record(): { readonly spans: Told[] } & Disposable {
  const spans: Told[] = [];
  const startSpan = (name: string, options: SpanOptions = {}): Span => {
    const told: Told = { name, attributes: { ...options.attributes }, status: 0, ends: 0 };
    spans.push(told);
    const spanId = String(spans.length).padStart(16, "0");
    const span = {
      spanContext: () => ({ traceId: "a".repeat(32), spanId, traceFlags: 1 }),
      isRecording: () => told.ends === 0,
      setAttribute: (key: string, value: AttributeValue) => {
        told.attributes[key] = value;
        return span;
      },
      setStatus: ({ code }: SpanStatus) => {
        told.status = code;
        return span;
      },
      end: () => void told.ends++,
    } as unknown as Span;
    return span;
  };
  const provider = { getTracer: () => ({ startSpan }) } as unknown as TracerProvider;
  trace.setGlobalTracerProvider(provider);
  return { spans, [Symbol.dispose]: () => trace.disable() };
}

function config(urls: readonly string[]): SynthConfig {
  return configSchema.parse({
    upstreams: {
      a: { base_url: urls[0] },
      dead: { base_url: "http://127.0.0.1:1/v1" },
      b: { base_url: urls[1] },
    },
    models: {
      first: { upstream: "a", price: { input: 1, output: 2 }, fallback: ["gone", "last"] },
      gone: { upstream: "dead", price: { input: 1, output: 2 } },
      last: { upstream: "b", price: { input: 10, output: 20 } },
      solo: { upstream: "a", price: { input: 1, output: 2 } },
    },
  });
}

async function start() {
  const upstreams = [await startUpstream(), await startUpstream()] as const;
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const urls = upstreams.map(({ baseUrl }) => baseUrl);
  const it = await startBudgetGateway({
    baseUrl: upstreams[0].baseUrl,
    config: config(urls),
    ledger,
    clock,
  });
  return {
    ...it,
    clock,
    a: upstreams[0],
    b: upstreams[1],
    async [Symbol.asyncDispose]() {
      await it[Symbol.asyncDispose]();
      for (const upstream of upstreams) await upstream[Symbol.asyncDispose]();
    },
  };
}

Deno.test("the span of each model that was called has its own cost, attempts and error", async () => {
  using told = record();
  await using it = await start();
  // A 500 may have been billed: its lease is charged, and the first model is asked once more.
  it.a.enqueue(httpError(500, "No"), httpError(500, "No"));
  it.b.enqueue(stream(text("hi"), finish("stop"), usage(10, 5, 0, 0)));
  await (await it.ask({ model: "first", input: "Hi", stream: true })).text();
  const line = JSON.parse(it.lines.at(-1)!);
  const [first, gone, last] = told.spans;
  assertEquals(told.spans.map(({ name, status, ends }) => [name, status, ends]), [
    ["chat first", 2, 1],
    ["chat gone", 2, 1],
    ["chat last", 0, 1],
  ]);
  const own = (span: Told | undefined, name: string) => span?.attributes[name];
  assertEquals(told.spans.map((span) => own(span, "error.type")), [
    "500",
    "connect connect",
    undefined,
  ]);
  assertEquals(told.spans.map((span) => own(span, "synth.attempts")), [2, 3, undefined]);
  assertEquals(own(last, "synth.cost_nano_usd"), 10 * 10_000 + 5 * 20_000);
  // What was never reached cost nothing, and the line has the sum.
  assertEquals(own(gone, "synth.cost_nano_usd"), undefined);
  const costs = told.spans.map((span) => Number(own(span, "synth.cost_nano_usd") ?? 0));
  assertEquals(costs.reduce((sum, cost) => sum + cost), line.cost_nano_usd);
  assertEquals(Number(own(first, "synth.cost_nano_usd")) > 0, true);
  // The line tells of the whole request.
  assertEquals([line.upstream_status, line.upstream_failure, line.attempts], [
    500,
    "connect connect",
    3,
  ]);
});

Deno.test("a span ends once on every way out of a request", async () => {
  const never = new Promise<void>(() => {});
  const ask: Rec = { model: "solo", input: "Hi", stream: true };
  const chat: Rec = { model: "solo", messages: [{ role: "user", content: "Hi" }] };
  const ways: Record<string, (it: Awaited<ReturnType<typeof start>>) => Promise<unknown>> = {
    async "the answer is complete"(it) {
      it.a.enqueue(stream(text("hi"), finish("stop"), usage()));
      await (await it.ask(ask)).text();
    },
    async "the upstream refuses"(it) {
      it.a.enqueue(httpError(400, "No"));
      await (await it.ask(ask)).text();
    },
    async "the upstream fails in mid-stream"(it) {
      it.a.enqueue(sse([frame(text("a")), frame(errorChunk("No"))]));
      await (await it.ask(ask)).text();
    },
    async "the client goes in mid-stream"(it) {
      it.a.enqueue(sse([frame(text("a")), { wait: never }]));
      await (await it.ask(ask)).body?.cancel();
    },
    async "the client goes before the answer"(it) {
      const stop = new AbortController();
      it.a.enqueue(sse([{ wait: never }]));
      const answer = it.ask(chat, {}, "/v1/chat/completions", stop.signal);
      await it.a.request(0);
      stop.abort();
      await (await answer).text();
    },
    async "the answer is no JSON"(it) {
      it.a.enqueue({ status: 200, headers: {}, steps: ["<html>"] });
      await (await it.ask(chat, {}, "/v1/chat/completions")).text();
    },
    async "the gateway stops"(it) {
      it.a.enqueue(sse([frame(text("a")), { wait: never }]));
      const answer = await it.ask(ask);
      const body = answer.text();
      const drained = it.gateway.drain(0);
      for (let n = 0; n < 3; n++) await it.clock.tick(5000);
      await Promise.all([body, drained]);
    },
  };
  for (const [name, leave] of Object.entries(ways)) {
    using told = record();
    await using it = await start();
    await leave(it);
    await it.settled();
    assertEquals(told.spans.map(({ name, ends }) => [name, ends]), [["chat solo", 1]], name);
    assertEquals(told.spans[0]?.status, name === "the answer is complete" ? 0 : 2, name);
  }
});

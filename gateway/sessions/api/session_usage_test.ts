import { assertEquals } from "@std/assert";
import { UsageRecordSchema } from "@synth/core/api";
import { openBench } from "./testing/api_bench.ts";

Deno.test("POST usage counts once for each reference_id", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const path = `/api/v1/sessions/${session_id}`;
  const usage = {
    reference_id: "job-1/step-2",
    reference_type: "wall_clock_event",
    tokens: 10,
    cost_usd: 0.1 + 0.2,
    gpu_seconds: 1.0001,
    api_calls: 2,
    metadata: { host: "a" },
  };
  const first = await it.call(`POST ${path}/usage`, usage);
  assertEquals(first.status, 201);
  assertEquals(UsageRecordSchema.parse(first.body), first.body);
  assertEquals(first.body.amounts, {
    tokens: 10,
    cost_usd: 0.300000001,
    gpu_hours: 1001 / 3_600_000,
    api_calls: 2,
  });
  assertEquals([first.body.reference_id, first.body.kind], ["job-1/step-2", "record"]);
  assertEquals((await it.call(`POST ${path}/usage`, usage)).status, 200);
  const changed = await it.call(`POST ${path}/usage`, { ...usage, tokens: 11 });
  assertEquals([changed.status, changed.body.error.code], [409, "idempotency_conflict"]);
  const { current_usage } = (await it.call(`GET ${path}`)).body;
  assertEquals(current_usage, first.body.amounts);
  assertEquals((await it.call(`GET ${path}/usage`)).body, [first.body]);
  const headers = { "idempotency-key": "u" };
  for (const status of [201, 200]) {
    const { body, status: got } = await it.call(
      `POST ${path}/usage`,
      { metric_type: "gpu_hours", metric_value: 0.5 },
      { headers },
    );
    assertEquals([got, body.metric_type, body.metric_value], [status, "gpu_hours", 0.5]);
  }
});

Deno.test("POST usage counts whatever happened, over the limit and after the end", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", {
    limits: [{ limit_type: "hard", metric_type: "tokens", limit_value: 10 }],
  })).body;
  const path = `/api/v1/sessions/${session_id}`;
  assertEquals((await it.call(`POST ${path}/usage`, { tokens: 25 })).status, 201);
  let [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals([limit.current_usage, limit.overrun, limit.remaining], [25, 15, 0]);
  await it.call(`POST ${path}/end`);
  assertEquals((await it.call(`POST ${path}/usage`, { tokens: 5 })).status, 201);
  [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals(limit.current_usage, 30);
});

Deno.test("POST usage refuses what it cannot count", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const cases: [unknown, string][] = [
    [{}, "invalid_usage"],
    [{ tokens: -1 }, "invalid_usage"],
    [{ cost_usd: "x" }, "invalid_usage"],
    [{ cost_usd: "5000000" }, "invalid_usage"],
    [{ metric_type: "tokens" }, "invalid_usage"],
    [{ metric_value: 1 }, "invalid_usage"],
    [{ metric_type: "tokens", metric_value: 1, tokens: 1 }, "invalid_usage"],
    [{ gpu_hours: 1, gpu_seconds: 1 }, "invalid_usage"],
    [{ tokens: 1, reference_id: "a b" }, "invalid_value"],
    [{ tokens: 1, reference_type: "rumour" }, "invalid_value"],
    [{ tokens: 1, minutes: 1 }, "unknown_parameter"],
    [{ tokens: 1, metadata: { "synth.x": 1 } }, "invalid_metadata"],
  ];
  for (const [usage, code] of cases) {
    const { status, body } = await it.call(`POST /api/v1/sessions/${session_id}/usage`, usage);
    assertEquals([status, body.error.code], [400, code], JSON.stringify(usage));
  }
  assertEquals((await it.call(`GET /api/v1/sessions/${session_id}/usage`)).body, []);
});

Deno.test("GET usage of a session pages, and shows the metric that is asked for", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const path = `/api/v1/sessions/${session_id}/usage`;
  for (let i = 1; i <= 3; i++) {
    await it.clock.tick(1000);
    await it.call(`POST ${path}`, { tokens: i, api_calls: 1, reference_id: `r${i}` });
  }
  const page = await it.call(`GET ${path}?limit=2&metric_type=tokens`);
  assertEquals(page.body.map((one: { metric_value: number }) => one.metric_value), [3, 2]);
  assertEquals(
    page.headers.get("link"),
    `<${path}?limit=2&metric_type=tokens&offset=2>; rel="next"`,
  );
  const rest = await it.call(`GET ${path}?limit=2&offset=2`);
  assertEquals(rest.body.map((one: { reference_id: string }) => one.reference_id), ["r1"]);
  // Two metrics were used: neither is "the" metric.
  assertEquals([rest.body[0].metric_type, rest.headers.get("link")], [undefined, null]);
  assertEquals((await it.call(`GET ${path}?metric_type=usd`)).status, 400);
});

Deno.test("a model request is admitted by its session and seen in the journal", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", {
    limits: [{ limit_type: "hard", metric_type: "api_calls", limit_value: 1 }],
  })).body;
  const request = {
    model: "synth-demo",
    messages: [{ role: "user", content: "hello" }],
    max_tokens: 50,
  };
  const headers = { "x-synth-session-id": session_id };
  const first = await it.call("POST /v1/chat/completions", request, { headers });
  assertEquals(first.status, 200, JSON.stringify(first.body));
  const second = await it.call("POST /v1/chat/completions", request, { headers });
  assertEquals([second.status, second.body.error.code], [429, "session_limit_exceeded"]);
  const [event, ...others] = (await it.call(`GET /api/v1/sessions/${session_id}/usage`)).body;
  assertEquals(others, []);
  assertEquals([event.kind, event.model, event.amounts.api_calls], ["lease", "synth-demo", 1]);
  assertEquals(event.amounts.tokens, first.body.usage.total_tokens);
  const session = (await it.call(`GET /api/v1/sessions/${session_id}`)).body;
  assertEquals([session.status, session.is_active], ["limit_exceeded", true]);
});

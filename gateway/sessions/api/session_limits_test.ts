import { assertEquals } from "@std/assert";
import { LimitSchema } from "@synth/core/api";
import fc from "fast-check";
import { openBench } from "./testing/api_bench.ts";

const TOKENS = { limit_type: "hard", metric_type: "tokens", limit_value: 100 };

Deno.test("POST limits adds a limit, which counts what the session used before", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", { limits: [] })).body;
  const path = `/api/v1/sessions/${session_id}`;
  await it.call(`POST ${path}/usage`, { tokens: 70 });
  const { status, body } = await it.call(`POST ${path}/limits`, TOKENS);
  assertEquals(status, 201);
  assertEquals(LimitSchema.parse(body), body);
  assertEquals([body.current_usage, body.remaining, body.exceeded, body.scope], [
    70,
    30,
    false,
    "session",
  ]);
  assertEquals((await it.call(`GET ${path}/limits`)).body, [body]);
});

Deno.test("POST limits is safe to send again by its limit_id or an Idempotency-Key", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", { limits: [] })).body;
  const path = `POST /api/v1/sessions/${session_id}/limits`;
  const named = { ...TOKENS, limit_id: "mine" };
  assertEquals((await it.call(path, named)).status, 201);
  assertEquals((await it.call(path, named)).status, 200);
  await it.call(`${path}/increase`, { metric_type: "tokens", increase_by: 1 });
  // It was raised since: it is still the limit that was asked for.
  assertEquals((await it.call(path, named)).body.limit_value, 101);
  const other = await it.call(path, { ...named, limit_value: 200 });
  assertEquals([other.status, other.body.error.code], [409, "limit_conflict"]);

  const headers = { "idempotency-key": "k" };
  const first = await it.call(path, TOKENS, { headers });
  const again = await it.call(path, TOKENS, { headers });
  assertEquals([first.status, again.status], [201, 200]);
  assertEquals(again.body.limit_id, first.body.limit_id);
  const changed = await it.call(path, { ...TOKENS, metric_type: "api_calls" }, { headers });
  assertEquals([changed.status, changed.body.error.code], [409, "idempotency_conflict"]);
});

Deno.test("POST limits refuses a bad limit and one too many", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", { limits: [] })).body;
  const path = `POST /api/v1/sessions/${session_id}/limits`;
  const cases: [unknown, string | null][] = [
    [{ ...TOKENS, limit_value: -1 }, "limit_value"],
    [{ ...TOKENS, limit_value: 1.5 }, "limit_value"],
    [{ ...TOKENS, limit_type: "rolling_window" }, "window_seconds"],
    [{ metric_type: "tokens", limit_value: 1 }, "limit_type"],
    [{ ...TOKENS, warn: 1 }, "warn"],
    [[], null],
  ];
  for (const [limit, param] of cases) {
    const { status, body } = await it.call(path, limit);
    assertEquals([status, body.error.code, body.error.param], [400, "invalid_limit", param]);
  }
  for (let i = 0; i < 32; i++) assertEquals((await it.call(path, TOKENS)).status, 201);
  const { status, body } = await it.call(path, TOKENS);
  assertEquals([status, body.error.code], [400, "invalid_limit"]);
});

Deno.test("POST increase raises once for each Idempotency-Key", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const path = `POST /api/v1/sessions/${session_id}/limits/increase`;
  const raise = { metric_type: "cost_usd", increase_by: "0.5" };
  const headers = { "idempotency-key": "r1" };
  const all = await Promise.all(
    Array.from({ length: 10 }, () => it.call(path, raise, { headers })),
  );
  for (const { status, body } of all) assertEquals([status, body.limit_value], [200, 20.5]);
  const other = await it.call(path, { ...raise, increase_by: "0.6" }, { headers });
  assertEquals([other.status, other.body.error.code], [409, "idempotency_conflict"]);
  assertEquals((await it.call(path, raise)).body.limit_value, 21);
  assertEquals((await it.call(path, raise)).body.limit_value, 21.5);
});

Deno.test("POST increase needs one limit that it can mean", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", {
    limits: [
      { ...TOKENS, limit_id: "a" },
      { ...TOKENS, limit_id: "b" },
      { limit_type: "hard", metric_type: "cost_usd", limit_value: 1, limit_id: "c" },
      { limit_type: "soft", metric_type: "cost_usd", limit_value: 1, limit_id: "d" },
    ],
  })).body;
  const path = `POST /api/v1/sessions/${session_id}/limits/increase`;
  const cases: [unknown, string][] = [
    [{ metric_type: "gpu_hours", increase_by: 1 }, "limit_not_found"],
    [{ metric_type: "tokens", increase_by: 1, limit_id: "c" }, "limit_not_found"],
    [{ metric_type: "tokens", increase_by: 1 }, "ambiguous_limit"],
    [{ metric_type: "cost_usd", increase_by: 0 }, "invalid_limit"],
    [{ metric_type: "cost_usd", increase_by: -1 }, "invalid_limit"],
    [{ metric_type: "cost_usd", increase_by: "9007199" }, "limit_too_large"],
    [{ metric_type: "cost_usd" }, "missing_required_parameter"],
  ];
  for (const [raise, code] of cases) {
    const { status, body } = await it.call(path, raise);
    assertEquals([status, body.error.code], [400, code], JSON.stringify(raise));
  }
  const named = await it.call(path, { metric_type: "tokens", increase_by: 1, limit_id: "b" });
  assertEquals([named.body.limit_id, named.body.limit_value], ["b", 101]);
  const hard = await it.call(path, { metric_type: "cost_usd", increase_by: 1 });
  assertEquals(hard.body.limit_id, "c");
});

Deno.test("a session that is over takes no limits and no raise", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const path = `POST /api/v1/sessions/${session_id}`;
  await it.call(`${path}/end`);
  const raise = { metric_type: "cost_usd", increase_by: 1 };
  for (const [rest, body] of [["/limits", TOKENS], ["/limits/increase", raise]] as const) {
    const answer = await it.call(path + rest, body);
    assertEquals([answer.status, answer.body.error.code], [400, "session_not_active"]);
  }
});

Deno.test("a limit of any amount reads as it was written", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", { limits: [] })).body;
  const path = `/api/v1/sessions/${session_id}`;
  const { limit_id } = (await it.call(`POST ${path}/limits`, {
    limit_type: "hard",
    metric_type: "cost_usd",
    limit_value: 0,
  })).body;
  let sum = 0n;
  const nano = fc.bigInt({ min: 1n, max: 10_000_000_000n });
  await fc.assert(
    fc.asyncProperty(nano, async (by) => {
      const increase_by = `${by / 1_000_000_000n}.${String(by % 1_000_000_000n).padStart(9, "0")}`;
      const { body } = await it.call(`POST ${path}/limits/increase`, {
        metric_type: "cost_usd",
        limit_id,
        increase_by,
      });
      sum += by;
      assertEquals(body.limit_value, Number(sum) / 1e9);
    }),
    { numRuns: 50 },
  );
  const state = await it.ledger.scope({ org: "org-a", kind: "session", id: session_id });
  assertEquals(state?.limits[0]?.value, sum);
});

import { assert, assertEquals } from "@std/assert";
import { MeSchema, PricingSchema, UsageGroupSchema } from "@synth/core/api";
import { openBench } from "../sessions/api/testing/api_bench.ts";

const DAY_MS = 86_400_000;

Deno.test("GET usage gives the org's events by session and time", async () => {
  await using it = await openBench();
  const first = (await it.call("POST /api/v1/sessions", { ttl_seconds: 10 * 86_400 })).body;
  const other = (await it.call("POST /api/v1/sessions", {}, { caller: "eve" })).body;
  const path = `POST /api/v1/sessions/${first.session_id}/usage`;
  const start = it.clock.now();
  for (let i = 1; i <= 3; i++) {
    await it.call(path, { cost_usd: i, reference_id: `r${i}` });
    await it.clock.tick(DAY_MS);
  }
  await it.call(`POST /api/v1/sessions/${other.session_id}/usage`, { cost_usd: 9 }, {
    caller: "eve",
  });
  const ids = async (query: string): Promise<string[]> =>
    (await it.call(`GET /api/v1/usage${query}`)).body.map((one: { id: string }) => one.id);
  assertEquals(await ids(""), ["ref_r3", "ref_r2", "ref_r1"]);
  assertEquals(await ids("?limit=1&offset=1"), ["ref_r2"]);
  assertEquals(await ids(`?session_id=${other.session_id}`), []);
  const from = new Date(start + DAY_MS).toISOString();
  const to = new Date(start + 2 * DAY_MS).toISOString();
  assertEquals(await ids(`?from=${from}`), ["ref_r3", "ref_r2"]);
  assertEquals(await ids(`?to=${to}`), ["ref_r2", "ref_r1"]);
  assertEquals(await ids(`?from=${from}&to=${to}`), ["ref_r2"]);
  assertEquals(await ids("?from=2001-01-01&to=2001-01-02"), []);
  for (const query of ["from=yesterday", "to=1", "session_id=x", "group_by=hour", "limit=0"]) {
    const { status, body } = await it.call(`GET /api/v1/usage?${query}`);
    const [param] = query.split("=");
    assertEquals([status, body.error.code, body.error.param], [400, "invalid_value", param]);
  }
});

Deno.test("GET usage sums up exactly, over more than a page", async () => {
  await using it = await openBench();
  const session_id = (await it.call("POST /api/v1/sessions")).body.session_id;
  const record = (i: number): Promise<unknown> =>
    it.ledger.recordUsage({
      org: "org-a",
      sessionId: session_id,
      user: i % 3 === 0 ? "ann" : "ben",
      keyId: "key_ann",
      referenceId: `r${i}`,
      referenceType: "custom",
      amounts: { tokens: 2n, cost: 100_000_001n, gpu_time: 0n, api_calls: 1n },
      metadata: {},
    });
  // More than two pages in one millisecond, and a few around it.
  const times = [0, 1, 2, ...Array.from({ length: 2494 }, () => 3), 4, 5, 6];
  for (const [i, after] of times.entries()) {
    it.clock.jump(Date.UTC(2026, 10, 22, 12) + after);
    await record(i);
  }
  const groups = (await it.call("GET /api/v1/usage?group_by=user")).body;
  assertEquals(groups.map((one: unknown) => UsageGroupSchema.parse(one)), groups);
  assertEquals(
    groups.map((one: { group: string; events: number }) => [one.group, one.events]),
    [["ben", 1666], ["ann", 834]],
  );
  assertEquals(groups[0].amounts, {
    tokens: 3332,
    cost_usd: 166.600001666,
    gpu_hours: 0,
    api_calls: 1666,
  });
  const days = await it.client().usageBy("day");
  assertEquals(days.map((one) => [one.group, one.events]), [
    [new Date(it.clock.now()).toISOString().slice(0, 10), 2500],
  ]);
  assertEquals((await it.client().usageBy("model")).map((one) => one.group), [null]);
  assertEquals((await it.client("eve").usageBy("key")).length, 0);
  assertEquals((await it.client().usage({ limit: 3 })).length, 3);
});

Deno.test("GET me says who asks, to any key", async () => {
  await using it = await openBench();
  const { status, body } = await it.call("GET /api/v1/me", undefined, { caller: "infer" });
  assertEquals(status, 200);
  assertEquals(MeSchema.parse(body), body);
  assertEquals([body.org_id, body.user_id, body.key_id], ["org-a", "ann", "key_infer"]);
  assertEquals([body.scopes, body.expires_at, body.limits], [["infer"], null, []]);
  assertEquals(body.active_session_id, null);
  assertEquals((await it.call("GET /api/v1/me", undefined, { key: "wrong" })).status, 401);
});

Deno.test("GET pricing names the price of every configured model, and the book", async () => {
  await using it = await openBench();
  const { status, body } = await it.call("GET /api/v1/pricing", undefined, { caller: "infer" });
  assertEquals(status, 200);
  assertEquals(PricingSchema.parse(body), body);
  const byName = new Map<string, { source: string | null; price: unknown }>(
    body.models.map((one: { model: string }) => [one.model, one]),
  );
  assertEquals(byName.get("unpriced")?.source, null);
  assertEquals(byName.get("unpriced")?.price, null);
  assertEquals(byName.get("own")?.source, "config");
  assertEquals(byName.get("fast")?.source, "price_book");
  const fast = body.models.find((one: { model: string }) => one.model === "fast").price;
  assertEquals([fast.tiers[0].input, fast.tiers[0].output], [0.075, 0.3]);
  assert(fast.version.startsWith(body.version));
  assertEquals(byName.get("synth-demo")?.source, "config");
  const pro = body.prices.find((one: { model: string }) => one.model === "gemini-2.5-pro");
  assertEquals(
    pro.price.tiers.map((one: { above_input_tokens: number }) => one.above_input_tokens),
    [0, 200_000],
  );
  assertEquals((await it.client().pricing()).version, body.version);
  // A price does not hold before its day.
  it.clock.jump(Date.UTC(2025, 9, 1));
  const early = (await it.client().pricing()).models.find((one) => one.model === "fast");
  assertEquals(early?.price, null);
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { LeaseEndSchema, LeaseSchema, RenewedLeaseSchema } from "@synth/core/api";
import { type ApiBench, openBench } from "./testing/api_bench.ts";

const HOUR = { limit_type: "hard", metric_type: "gpu_hours", limit_value: 1 };

async function openSession(it: ApiBench, limits: unknown[] = [HOUR]): Promise<string> {
  return `/api/v1/sessions/${(await it.call("POST /api/v1/sessions", { limits })).body.session_id}`;
}

Deno.test("a lease holds GPU time, and its settlement charges what was used", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const { status, body: lease } = await it.call(`POST ${path}/leases`, { gpu_seconds: 600 });
  assertEquals(status, 201);
  assertEquals(LeaseSchema.parse(lease), lease);
  assertMatch(lease.lease_id, /^gpulease_/);
  assertEquals(lease.held, { tokens: 0, cost_usd: 0, gpu_hours: 600 / 3600, api_calls: 0 });
  assertEquals(Date.parse(lease.expires_at) - it.clock.now(), 660_000);
  const held = (await it.call(`GET ${path}/limits`)).body[0];
  assertEquals([held.held, held.remaining, held.current_usage], [600 / 3600, 3000 / 3600, 0]);
  const settle = `POST ${path}/leases/${lease.lease_id}/settle`;
  const done = (await it.call(settle, { gpu_seconds: 90 })).body;
  assertEquals(LeaseEndSchema.parse(done), done);
  assertEquals([done.state, done.already, done.late], ["settled", false, false]);
  const again = (await it.call(settle, { gpu_seconds: 90 })).body;
  assertEquals([again.already, again.used], [true, done.used]);
  const [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals([limit.current_usage, limit.held, limit.overrun], [90 / 3600, 0, 0]);
});

Deno.test("a lease beyond the limit is refused like a request", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const much = await it.call(`POST ${path}/leases`, { gpu_hours: 1.5 });
  assertEquals([much.status, much.body.error.code], [429, "session_limit_exceeded"]);
  assertEquals([much.body.error.metric, much.body.error.asked], ["gpu_hours", 1.5]);
  const first = await it.call(`POST ${path}/leases`, { gpu_hours: 0.75 });
  assertEquals(first.status, 201);
  const second = await it.call(`POST ${path}/leases`, { gpu_hours: 0.5 });
  assertEquals([second.status, second.body.error.code], [429, "session_budget_reserved"]);
  await it.call(`POST ${path}/leases/${first.body.lease_id}/release`);
  assertEquals((await it.call(`POST ${path}/leases`, { gpu_hours: 0.5 })).status, 201);
});

Deno.test("a lease can hold money too", async () => {
  await using it = await openBench();
  const path = await openSession(it, [
    { limit_type: "hard", metric_type: "cost_usd", limit_value: 1 },
  ]);
  const lease = await it.call(`POST ${path}/leases`, { gpu_seconds: 60, cost_usd: "0.4" });
  assertEquals([lease.status, lease.body.held.cost_usd], [201, 0.4]);
  await it.call(`POST ${path}/leases/${lease.body.lease_id}/settle`);
  assertEquals((await it.call(`GET ${path}/limits`)).body[0].current_usage, 0.4);
  const more = await it.call(`POST ${path}/leases`, { cost_usd: 0.7 });
  assertEquals([more.status, more.body.error.metric], [429, "cost_usd"]);
});

Deno.test("a lease is taken once for each Idempotency-Key", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const headers = { "idempotency-key": "beat-1" };
  const all = await Promise.all(
    Array.from(
      { length: 5 },
      () => it.call(`POST ${path}/leases`, { gpu_seconds: 60 }, { headers }),
    ),
  );
  assertEquals(new Set(all.map(({ body }) => body.lease_id)).size, 1);
  assertEquals((await it.call(`GET ${path}/limits`)).body[0].held, 60 / 3600);
  const other = await it.call(`POST ${path}/leases`, { gpu_seconds: 61 }, { headers });
  assertEquals([other.status, other.body.error.code], [409, "idempotency_conflict"]);
});

Deno.test("renew settles a lease and takes the next, once", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const { lease_id } = (await it.call(`POST ${path}/leases`, { gpu_seconds: 60 })).body;
  const renew = `POST ${path}/leases/${lease_id}/renew`;
  const body = { used: { gpu_seconds: 50 }, gpu_seconds: 120 };
  const next = await it.call(renew, body);
  assertEquals(next.status, 200);
  assertEquals(RenewedLeaseSchema.parse(next.body), next.body);
  assertEquals([next.body.previous.lease_id, next.body.previous.used.gpu_hours], [
    lease_id,
    50 / 3600,
  ]);
  const again = await it.call(renew, body);
  assertEquals([again.body.lease_id, again.body.previous.already], [next.body.lease_id, true]);
  let [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals([limit.current_usage, limit.held], [50 / 3600, 120 / 3600]);
  // The next one does not fit: the job is told, and what it used is counted.
  const last = await it.call(`POST ${path}/leases/${next.body.lease_id}/renew`, { gpu_hours: 1 });
  assertEquals([last.status, last.body.error.code], [429, "session_limit_exceeded"]);
  [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals([limit.current_usage, limit.held], [170 / 3600, 0]);
});

Deno.test("a lease that nobody settles is charged whole, and a late settlement corrects it", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const { lease_id } = (await it.call(`POST ${path}/leases`, {
    gpu_seconds: 60,
    ttl_seconds: 90,
  })).body;
  await it.clock.tick(90_000);
  await it.ledger.expireLeases("org-a");
  const charged = (await it.call(`GET ${path}/limits`)).body[0];
  assertEquals([charged.current_usage, charged.held], [60 / 3600, 0]);
  assertEquals((await it.call(`GET ${path}/usage`)).body[0].expired, true);
  const late = await it.call(`POST ${path}/leases/${lease_id}/settle`, { gpu_seconds: 20 });
  assertEquals(late.body.late, true);
  assertEquals((await it.call(`GET ${path}/limits`)).body[0].current_usage, 20 / 3600);
});

Deno.test("a lease of a model request cannot be given back through the API", async () => {
  await using it = await openBench();
  const path = await openSession(it, []);
  const id = path.slice("/api/v1/sessions/".length);
  const lease = { leaseId: "lease_x", org: "org-a", keyId: "key_ann", sessionId: id };
  const granted = await it.ledger.reserve({
    ...lease,
    user: "ann",
    session: { kind: "id", id },
    model: "m",
    priceVersion: "v",
    inputBound: 100,
    prefixes: [],
    outputWanted: 10,
    outputMin: 1,
    rates: [{ aboveInput: 0, input: 1_000_000n, output: 1_000_000n }],
    ttlMs: 1000,
  });
  assert(granted.granted);
  await it.clock.tick(2000);
  await it.ledger.expireLeases("org-a");
  for (const verb of ["release", "settle", "renew"]) {
    const answer = await it.call(`POST ${path}/leases/lease_x/${verb}`, { gpu_seconds: 1 });
    assertEquals([answer.status, answer.body.error.code], [404, "lease_not_found"]);
  }
  assertEquals((await it.call(`GET ${path}`)).body.current_usage.tokens, 110);
});

Deno.test("leases refuse what they cannot mean", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const cases: [unknown, string][] = [
    [{}, "invalid_usage"],
    [{ gpu_seconds: 0 }, "invalid_usage"],
    [{ gpu_seconds: -5 }, "invalid_usage"],
    [{ gpu_seconds: 1, gpu_hours: 1 }, "invalid_usage"],
    [{ gpu_seconds: 1, ttl_seconds: 0 }, "invalid_value"],
    [{ seconds: 1 }, "unknown_parameter"],
  ];
  for (const [lease, code] of cases) {
    const { status, body } = await it.call(`POST ${path}/leases`, lease);
    assertEquals([status, body.error.code], [400, code], JSON.stringify(lease));
  }
  await it.call(`POST ${path}/end`);
  const over = await it.call(`POST ${path}/leases`, { gpu_seconds: 1 });
  assertEquals([over.status, over.body.error.code], [400, "session_not_active"]);
});

Deno.test("a lease that was never granted is not there to be settled", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const never = `${path}/leases/gpulease_${"0".repeat(26)}`;
  for (
    const [verb, body] of [
      ["settle", { gpu_seconds: 3000 }],
      ["renew", { gpu_seconds: 60 }],
    ] as const
  ) {
    const answer = await it.call(`POST ${never}/${verb}`, body);
    assertEquals([answer.status, answer.body.error.code], [404, "lease_not_found"]);
  }
  const [limit] = (await it.call(`GET ${path}/limits`)).body;
  assertEquals([limit.current_usage, limit.held], [0, 0]);
});

Deno.test("a lease that has ended is not given again", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const headers = { "idempotency-key": "beat-1" };
  const take = () => it.call(`POST ${path}/leases`, { gpu_seconds: 60 }, { headers });
  const { lease_id } = (await take()).body;
  const renew = () => it.call(`POST ${path}/leases/${lease_id}/renew`, { gpu_seconds: 60 });
  const next = (await renew()).body;
  assertEquals((await renew()).body.lease_id, next.lease_id);
  await it.call(`POST ${path}/leases/${next.lease_id}/settle`, { gpu_seconds: 60 });
  for (const again of [renew, take]) {
    const { status, body } = await again();
    assertEquals([status, body.error.code], [409, "lease_ended"]);
  }
});

Deno.test("the counters have what a lease was overrun by and why one was refused, once", async () => {
  await using it = await openBench();
  const path = await openSession(it);
  const { body: lease } = await it.call(`POST ${path}/leases`, { gpu_seconds: 60 });
  const settle = `POST ${path}/leases/${lease.lease_id}/settle`;
  for (const already of [false, true]) {
    assertEquals((await it.call(settle, { gpu_seconds: 62.5 })).body.already, already);
  }
  assertEquals((await it.call(`POST ${path}/leases`, { gpu_hours: 1 })).status, 429);
  const request = new Request("http://gateway.test/metrics", {
    headers: { authorization: "Bearer static-key-of-ann" },
  });
  const lines = (await (await it.gateway.fetch(request)).text()).split("\n");
  const of = (name: string): string[] => lines.filter((line) => line.startsWith(name));
  assertEquals(of("synth_overrun_gpu_seconds_total"), ["synth_overrun_gpu_seconds_total 2.5"]);
  assertEquals(of("synth_budget_refusals_total"), [
    'synth_budget_refusals_total{scope="session",metric="gpu_time",reason="exceeded"} 1',
  ]);
});

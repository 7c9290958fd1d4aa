import { assert, assertEquals, assertExists, assertMatch, assertRejects } from "@std/assert";
import { newSessionId, SynthError } from "@synth/core";
import { SessionSchema } from "@synth/core/api";
import { openBench } from "./testing/api_bench.ts";

const HARD = { limit_type: "hard", metric_type: "cost_usd", limit_value: 1.5 };
const UNKNOWN = `sess_${"0".repeat(26)}`;

Deno.test("POST sessions opens one with what was asked for", async () => {
  await using it = await openBench();
  const { status, body, headers } = await it.call("POST /api/v1/sessions", {
    limits: [
      HARD,
      { limit_type: "soft", metric_type: "tokens", limit_value: 100, warning_threshold: 0.5 },
      {
        limit_type: "rolling_window",
        metric_type: "api_calls",
        limit_value: "10",
        window_seconds: 60,
        expires_at: "2099-01-01T00:00:00",
      },
    ],
    session_type: "codex_agent",
    tracing_session_id: "trace-1",
    metadata: { team: "red", nested: { list: [1] } },
    idle_seconds: 90,
    ttl_seconds: 3600,
    on_limit: "message",
  });
  assertEquals(status, 201);
  assertEquals(SessionSchema.parse(body), body);
  assertMatch(body.session_id, /^sess_[0-9a-z]{26}$/);
  assertEquals(headers.get("location"), `/api/v1/sessions/${body.session_id}`);
  const { org_id, user_id, api_key_id, session_type, status: state, is_active } = body;
  assertEquals(
    { org_id, user_id, api_key_id, session_type, state, is_active },
    {
      org_id: "org-a",
      user_id: "ann",
      api_key_id: "key_ann",
      session_type: "codex_agent",
      state: "active",
      is_active: true,
    },
  );
  assertEquals(body.metadata, { team: "red", nested: { list: [1] } });
  assertEquals([body.on_limit, body.tracing_session_id], ["message", "trace-1"]);
  assertEquals(body.idle_seconds, 90);
  // The idle time is the earlier end.
  assertEquals(Date.parse(body.expires_at) - Date.parse(body.created_at), 90_000);
  assertEquals(
    body.limits.map((
      limit: Record<string, unknown>,
    ) => [limit["limit_type"], limit["metric_type"], limit["limit_value"], limit["remaining"]]),
    [["hard", "cost_usd", 1.5, 1.5], ["soft", "tokens", 100, 100], [
      "rolling_window",
      "api_calls",
      10,
      10,
    ]],
  );
  assertEquals(body.limits[2].window_seconds, 60);
  assertEquals(body.limits[2].expires_at, "2099-01-01T00:00:00.000Z");
  assertEquals((await it.call(`GET /api/v1/sessions/${body.session_id}`)).body.limits, body.limits);
});

Deno.test("POST sessions without limits has the configured one, with an empty list none", async () => {
  await using it = await openBench();
  const plain = await it.call("POST /api/v1/sessions");
  assertEquals(plain.body.limits.length, 1);
  assertEquals(plain.body.limits[0].limit_value, 20);
  assertEquals(Date.parse(plain.body.expires_at) - it.clock.now(), 24 * 3_600_000);
  assertEquals((await it.call("POST /api/v1/sessions", { limits: null })).body.limits.length, 1);
  assertEquals((await it.call("POST /api/v1/sessions", { limits: [] })).body.limits, []);
});

Deno.test("POST sessions takes 0 for zero", async () => {
  await using it = await openBench();
  const { body } = await it.call("POST /api/v1/sessions", {
    limits: [{ ...HARD, limit_value: 0 }],
  });
  assertEquals([body.status, body.limits[0].exceeded], ["limit_exceeded", true]);
  assertMatch(body.limit_exceeded_reason, /cost_usd limit of \$0\.00/);
});

Deno.test("POST sessions refuses bad limits, naming the field", async () => {
  await using it = await openBench();
  const cases: [unknown, string][] = [
    [{ ...HARD, limit_value: -1 }, "limits[1].limit_value"],
    [{ ...HARD, limit_value: "NaN" }, "limits[1].limit_value"],
    [{ ...HARD, limit_value: "0.0000000001" }, "limits[1].limit_value"],
    [{ ...HARD, limit_value: null }, "limits[1].limit_value"],
    [{ ...HARD, limit_value: true }, "limits[1].limit_value"],
    [{ limit_type: "hard", metric_type: "cost_usd" }, "limits[1].limit_value"],
    [{ ...HARD, limit_type: "firm" }, "limits[1].limit_type"],
    [{ ...HARD, metric_type: "usd" }, "limits[1].metric_type"],
    [{ ...HARD, warning_threshold: 1.1 }, "limits[1].warning_threshold"],
    [{ ...HARD, window_seconds: 60 }, "limits[1].window_seconds"],
    [{ ...HARD, limit_type: "rolling_window" }, "limits[1].window_seconds"],
    [{ ...HARD, expires_at: "soon" }, "limits[1].expires_at"],
    [{ ...HARD, limit_id: "a b" }, "limits[1].limit_id"],
    [{ ...HARD, limit_id: "one" }, "limits[1].limit_id"],
    [{ ...HARD, surprise: 1 }, "limits[1].surprise"],
    ["hard", "limits[1]"],
  ];
  for (const [limit, param] of cases) {
    const { status, body } = await it.call("POST /api/v1/sessions", {
      limits: [{ ...HARD, limit_id: "one" }, limit],
    });
    const got = [status, body.error.code, body.error.param];
    assertEquals(got, [400, "invalid_limit", param], JSON.stringify(limit));
  }
  // 1e999 is no JSON number that a double holds.
  const huge = await it.call(
    "POST /api/v1/sessions",
    '{"limits":[{"limit_type":"hard","metric_type":"tokens","limit_value":1e999}]}',
  );
  assertEquals([huge.status, huge.body.error.code], [400, "invalid_limit"]);
  assertEquals((await it.call("GET /api/v1/sessions")).body, []);
});

Deno.test("POST sessions refuses what it does not carry", async () => {
  await using it = await openBench();
  const cases: [unknown, string, string | null][] = [
    [{ sesion_id: "x" }, "unknown_parameter", "sesion_id"],
    [{ session_id: "mine" }, "invalid_session_id", "session_id"],
    [{ make_active: "yes" }, "invalid_type", "make_active"],
    [{ on_limit: "shout" }, "invalid_value", "on_limit"],
    [{ ttl_seconds: 0 }, "invalid_value", "ttl_seconds"],
    [{ ttl_seconds: 5, expires_at: "2099-01-01" }, "invalid_value", "expires_at"],
    [{ ttl_seconds: 5, expires_at: "2099-01-01T00:00:00Z" }, "invalid_expiry", "expires_at"],
    [{ expires_at: "2001-01-01T00:00:00Z" }, "invalid_expiry", "expires_at"],
    [{ metadata: { "synth.on_limit": "auto" } }, "invalid_metadata", "metadata"],
    [{ metadata: { text: "x".repeat(20_000) } }, "invalid_metadata", "metadata"],
    [[], "invalid_type", null],
    ["{", "invalid_json", null],
  ];
  for (const [request, code, param] of cases) {
    const { status, body } = await it.call("POST /api/v1/sessions", request);
    const label = JSON.stringify(request).slice(0, 60);
    assertEquals([status, body.error.code, body.error.param], [400, code, param], label);
  }
});

Deno.test("POST sessions makes one active session of each user", async () => {
  await using it = await openBench();
  const first = (await it.call("POST /api/v1/sessions")).body;
  const other = (await it.call("POST /api/v1/sessions", undefined, { caller: "ben" })).body;
  const launched = (await it.call("POST /api/v1/sessions", { make_active: false })).body;
  assertEquals([launched.is_active, launched.ended_session_id], [false, null]);
  const second = (await it.call("POST /api/v1/sessions")).body;
  assertEquals(second.ended_session_id, first.session_id);
  const active = (await it.call("GET /api/v1/sessions?active=true")).body;
  assertEquals(
    active.map((one: { session_id: string }) => one.session_id).sort(),
    [other.session_id, second.session_id].sort(),
  );
  assertEquals((await it.call(`GET /api/v1/sessions/${first.session_id}`)).body.status, "ended");
  assertEquals((await it.call("GET /api/v1/me")).body.active_session_id, second.session_id);
});

Deno.test("POST sessions with an Idempotency-Key opens one session however often it is sent", async () => {
  await using it = await openBench();
  const expires_at = new Date(it.clock.now() + 3_600_000).toISOString();
  const request = { metadata: { a: 1, b: 2 }, expires_at };
  const headers = { "idempotency-key": "once" };
  const first = await it.call("POST /api/v1/sessions", request, { headers });
  assertEquals(first.status, 201);
  await it.clock.tick(1234);
  const again = await it.call("POST /api/v1/sessions", { expires_at, metadata: { b: 2, a: 1 } }, {
    headers,
  });
  assertEquals([again.status, again.body.session_id], [200, first.body.session_id]);
  const parallel = await Promise.all(
    Array.from({ length: 20 }, () => it.call("POST /api/v1/sessions", request, { headers })),
  );
  assert(parallel.every(({ body }) => body.session_id === first.body.session_id));
  const changed = await it.call("POST /api/v1/sessions", { metadata: { a: 2 } }, { headers });
  assertEquals([changed.status, changed.body.error.code], [409, "idempotency_conflict"]);
  for (const caller of ["ben", "eve"] as const) {
    const theirs = await it.call("POST /api/v1/sessions", request, { headers, caller });
    assertEquals(theirs.status, 201);
    assert(theirs.body.session_id !== first.body.session_id);
  }
  const bad = await it.call("POST /api/v1/sessions", request, {
    headers: { "idempotency-key": "a b" },
  });
  assertEquals([bad.status, bad.body.error.code], [400, "invalid_idempotency_key"]);
});

Deno.test("POST sessions with a session_id is safe to send again", async () => {
  await using it = await openBench();
  const session_id = newSessionId(it.clock.now());
  const first = await it.call("POST /api/v1/sessions", { session_id, ttl_seconds: 60 });
  const again = await it.call("POST /api/v1/sessions", { ttl_seconds: 60, session_id });
  assertEquals([first.status, again.status], [201, 200]);
  assertEquals(again.body.session_id, session_id);
  for (const caller of ["ann", "ben"] as const) {
    const other = await it.call("POST /api/v1/sessions", { session_id }, { caller });
    assertEquals([other.status, other.body.error.code], [409, "session_conflict"]);
  }
});

Deno.test("GET sessions pages through the org, newest first", async () => {
  await using it = await openBench();
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) {
    await it.clock.tick(1000);
    ids.unshift((await it.call("POST /api/v1/sessions", { make_active: false })).body.session_id);
  }
  const seen: string[] = [];
  let path: string | undefined = "/api/v1/sessions?status=active&limit=2";
  while (path !== undefined) {
    const page = await it.call(`GET ${path}`);
    assertEquals(page.status, 200);
    seen.push(...page.body.map((one: { session_id: string }) => one.session_id));
    path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
  }
  assertEquals(seen, ids);
  assertEquals((await it.call("GET /api/v1/sessions?user_id=ben")).body, []);
  assertEquals((await it.call("GET /api/v1/sessions?status=ended")).body, []);
  assertEquals((await it.call("GET /api/v1/sessions", undefined, { caller: "eve" })).body, []);
  for (const query of ["limit=0", "limit=1001", "limit=x", "offset=-1", "status=x", "active=1"]) {
    const { status, body } = await it.call(`GET /api/v1/sessions?${query}`);
    const [param] = query.split("=");
    assertEquals([status, body.error.code, body.error.param], [400, "invalid_value", param]);
  }
});

Deno.test("POST end ends a session once; with an Idempotency-Key the first answer comes again", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const path = `POST /api/v1/sessions/${session_id}/end`;
  const headers = { "idempotency-key": "end-1" };
  const ended = await it.call(path, {}, { headers });
  assertEquals([ended.status, ended.body.status, ended.body.is_active], [200, "ended", false]);
  await it.clock.tick(10);
  const again = await it.call(path, {}, { headers });
  assertEquals([again.status, again.body], [200, ended.body]);
  const plain = await it.call(path);
  const { code, status, session_id: named } = plain.body.error;
  assertEquals([plain.status, code, status, named], [
    400,
    "session_not_active",
    "ended",
    session_id,
  ]);
});

Deno.test("heartbeat keeps a session from expiring, and cannot wake one that has", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions", { idle_seconds: 10 })).body;
  const path = `POST /api/v1/sessions/${session_id}`;
  for (let i = 0; i < 3; i++) {
    await it.clock.tick(8000);
    assertEquals((await it.call(`${path}/heartbeat`)).body.status, "active");
  }
  await it.clock.tick(10_000);
  for (const verb of ["heartbeat", "end"]) {
    const late = await it.call(`${path}/${verb}`, undefined, {
      headers: { "idempotency-key": "k" },
    });
    assertEquals([late.status, late.body.error.code], [400, "session_not_active"]);
    assertEquals(late.body.error.status, "expired");
  }
});

Deno.test("another org's session is not there, on any route", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  const limit = { limit_type: "hard", metric_type: "tokens", limit_value: 1 };
  const routes: [string, unknown][] = [
    ["GET ", undefined],
    ["POST /end", undefined],
    ["POST /heartbeat", undefined],
    ["GET /limits", undefined],
    ["POST /limits", limit],
    ["POST /limits/increase", { metric_type: "cost_usd", increase_by: 1 }],
    ["GET /usage", undefined],
    ["POST /usage", { tokens: 1 }],
    ["POST /leases", { gpu_seconds: 1 }],
    [`POST /leases/gpulease_${"0".repeat(26)}/settle`, { gpu_seconds: 1 }],
    [`POST /leases/gpulease_${"0".repeat(26)}/release`, undefined],
    [`POST /leases/gpulease_${"0".repeat(26)}/renew`, { gpu_seconds: 1 }],
  ];
  for (const [route, body] of routes) {
    const [method, rest] = route.split(" ");
    for (const [id, caller] of [[session_id, "eve"], [UNKNOWN, "ann"], ["mine", "ann"]] as const) {
      const line = `${method} /api/v1/sessions/${id}${rest}`;
      const answer = await it.call(line, body, { caller });
      assertEquals([answer.status, answer.body.error.code], [404, "session_not_found"], line);
    }
  }
  // A colleague of the same org does see it.
  const path = `GET /api/v1/sessions/${session_id}`;
  assertEquals((await it.call(path, undefined, { caller: "ben" })).status, 200);
  assertEquals((await it.call(path)).body.status, "active");
});

Deno.test("sessions need the scope", async () => {
  await using it = await openBench();
  for (
    const line of [
      "POST /api/v1/sessions",
      "GET /api/v1/sessions",
      `GET /api/v1/sessions/${UNKNOWN}`,
      `POST /api/v1/sessions/${UNKNOWN}/limits/increase`,
      `POST /api/v1/sessions/${UNKNOWN}/leases`,
      "GET /api/v1/usage",
    ]
  ) {
    const { status, body } = await it.call(line, undefined, { caller: "infer" });
    assertEquals([status, body.error.code], [403, "insufficient_scope"], line);
    assertEquals(body.error.required_scope, "sessions");
  }
  assertEquals((await it.call("GET /api/v1/sessions", undefined, { caller: "plain" })).status, 200);
});

Deno.test("sessions answer 503 while the ledger is down", async () => {
  await using it = await openBench();
  const { session_id } = (await it.call("POST /api/v1/sessions")).body;
  await it.ledger.close();
  const path = `/api/v1/sessions/${session_id}`;
  const routes: [string, unknown][] = [
    ["POST /api/v1/sessions", {}],
    ["GET /api/v1/sessions", undefined],
    [`GET ${path}`, undefined],
    [`POST ${path}/end`, undefined],
    [`POST ${path}/heartbeat`, undefined],
    [`GET ${path}/limits`, undefined],
    [`POST ${path}/limits`, HARD],
    [`POST ${path}/limits/increase`, { metric_type: "cost_usd", increase_by: 1 }],
    [`GET ${path}/usage`, undefined],
    [`POST ${path}/usage`, { tokens: 1 }],
    [`POST ${path}/leases`, { gpu_seconds: 1 }],
    ["GET /api/v1/usage", undefined],
    ["GET /api/v1/usage?group_by=day", undefined],
    ["GET /api/v1/me", undefined],
    ["GET /api/v1/orgs/self/limits", undefined],
  ];
  for (const [line, body] of routes) {
    const answer = await it.call(line, body);
    assertEquals([answer.status, answer.body.error.code], [503, "budget_store_unavailable"], line);
    assertEquals(answer.headers.get("retry-after"), "2");
  }
});

Deno.test("SynthClient speaks of sessions as the gateway does", async () => {
  await using it = await openBench();
  const client = it.client();
  const session = await client.sessions.create({ session_type: "job" });
  assertEquals(
    await client.sessions.list({ active: true }),
    [{
      ...session,
      ended_session_id: undefined,
    }].map(({ ended_session_id: _, ...rest }) => rest),
  );
  assertEquals((await client.sessions.get(session.session_id)).status, "active");
  assertEquals((await client.sessions.heartbeat(session.session_id)).status, "active");
  const limit = await client.sessions.addLimit(session.session_id, {
    limit_type: "hard",
    metric_type: "tokens",
    limit_value: 100,
  });
  const raised = await client.sessions.increaseLimit(session.session_id, {
    metric_type: "tokens",
    increase_by: 50,
  });
  assertEquals([raised.limit_id, raised.limit_value], [limit.limit_id, 150]);
  assertEquals((await client.sessions.limits(session.session_id)).length, 2);
  await client.sessions.recordUsage(session.session_id, { tokens: 150 });
  assertEquals((await client.sessions.usage(session.session_id)).length, 1);
  assertEquals((await client.sessions.get(session.session_id)).status, "limit_exceeded");
  assertEquals((await client.sessions.end(session.session_id)).status, "ended");
  const error = await assertRejects(() => client.sessions.end(session.session_id), SynthError);
  assert(error instanceof SynthError);
  assertEquals([error.code, error.details["status"]], ["session_not_active", "ended"]);
  assertExists((await client.me()).usage.org);
});

import { assert, assertEquals, assertMatch } from "@std/assert";
import { KeySchema, NewKeySchema } from "@synth/core/api";
import { openBench } from "../sessions/api/testing/api_bench.ts";

const CALLS = { limit_type: "hard", metric_type: "api_calls", limit_value: 1, limit_id: "calls" };
const CHAT = { model: "synth-demo", messages: [{ role: "user", content: "hi" }], max_tokens: 20 };

Deno.test("POST keys makes a key that works, shows it once, and binds it to its limits", async () => {
  await using it = await openBench();
  const { status, body } = await it.call("POST /api/v1/keys", {
    name: "laptop",
    user_id: "zoe",
    scopes: ["infer", "sessions"],
    limits: [CALLS],
  });
  assertEquals(status, 201);
  assertEquals(NewKeySchema.parse(body), body);
  assertMatch(body.key, /^sk_synth_/);
  assertEquals([body.org_id, body.user_id, body.hint], ["org-a", "zoe", body.key.slice(-4)]);
  assertEquals(body.limits[0].scope, "key");

  const me = (await it.call("GET /api/v1/me", undefined, { key: body.key })).body;
  assertEquals([me.org_id, me.user_id, me.key_id], ["org-a", "zoe", body.key_id]);
  assertEquals(me.limits.map((one: { limit_id: string }) => one.limit_id), ["calls"]);
  const headers = { "x-no-session": "true" };
  const chat = { key: body.key, headers };
  assertEquals((await it.call("POST /v1/chat/completions", CHAT, chat)).status, 200);
  const refused = await it.call("POST /v1/chat/completions", CHAT, chat);
  assertEquals([refused.status, refused.body.error.scope], [429, "key"]);

  const raised = await it.call(`POST /api/v1/keys/${body.key_id}/limits/increase`, {
    metric_type: "api_calls",
    increase_by: 1,
  });
  assertEquals([raised.status, raised.body.limit_value], [200, 2]);
  assertEquals((await it.call("POST /v1/chat/completions", CHAT, chat)).status, 200);
  const listed = await it.call("GET /api/v1/keys");
  assertEquals(listed.body.map((one: unknown) => KeySchema.parse(one)), listed.body);
  assert(!JSON.stringify(listed.body).includes(body.key));
  assertEquals(listed.body[0].limits[0].current_usage, 2);
});

Deno.test("POST keys refuses bad input and scopes that the caller lacks", async () => {
  await using it = await openBench();
  const cases: [unknown, number, string, string | null][] = [
    [{ scopes: [] }, 400, "invalid_value", "scopes"],
    [{ scopes: ["root"] }, 400, "invalid_value", "scopes[0]"],
    [{ user_id: "a b" }, 400, "invalid_value", "user_id"],
    [{ name: "x".repeat(101) }, 400, "invalid_value", "name"],
    [{ expires_at: "2001-01-01T00:00:00Z" }, 400, "invalid_expiry", "expires_at"],
    [{ limits: [{ ...CALLS, limit_value: -1 }] }, 400, "invalid_limit", "limits[0].limit_value"],
    [{ limits: [CALLS, CALLS] }, 400, "invalid_limit", "limits[1].limit_id"],
    [{ org_id: "org-b" }, 400, "unknown_parameter", "org_id"],
  ];
  for (const [request, status, code, param] of cases) {
    const answer = await it.call("POST /api/v1/keys", request);
    const { error } = answer.body;
    assertEquals([answer.status, error.code, error.param], [status, code, param]);
  }
  const admin = (await it.call("POST /api/v1/keys", { scopes: ["admin"] })).body.key;
  const answer = await it.call("POST /api/v1/keys", { scopes: ["queue:command"] }, { key: admin });
  assertEquals([answer.status, answer.body.error.code], [403, "insufficient_scope"]);
  assertEquals(answer.body.error.required_scope, "queue:command");
  assertEquals((await it.call("GET /api/v1/keys")).body.length, 1);
});

Deno.test("a key whose limits cannot be set is never given out", async () => {
  await using it = await openBench();
  await it.ledger.close();
  const { status, body } = await it.call("POST /api/v1/keys", { limits: [CALLS] });
  assertEquals([status, body.error.code], [503, "budget_store_unavailable"]);
  assert(!JSON.stringify(body).includes("sk_synth_"));
  const { keys } = await it.keys.list("org-a");
  assertEquals(keys.map((key) => key.revokedAt), [it.clock.now()]);
});

Deno.test("rotate replaces the key and keeps the rest; the old one works through its grace", async () => {
  await using it = await openBench();
  const made = (await it.call("POST /api/v1/keys", { limits: [CALLS] })).body;
  const path = `POST /api/v1/keys/${made.key_id}/rotate`;
  const rotated = await it.call(path, { grace_seconds: 60 });
  assertEquals([rotated.status, rotated.body.key_id], [200, made.key_id]);
  assertEquals(rotated.body.limits.length, 1);
  for (const key of [made.key, rotated.body.key]) {
    assertEquals((await it.call("GET /api/v1/me", undefined, { key })).status, 200);
  }
  const statuses = (await it.call("GET /api/v1/keys")).body;
  assertEquals(statuses.map((one: { status: string }) => one.status).sort(), [
    "active",
    "replaced",
  ]);
  await it.clock.tick(61_000);
  assertEquals((await it.call("GET /api/v1/me", undefined, { key: made.key })).status, 401);
  const now = await it.call(path);
  assertEquals((await it.call("GET /api/v1/me", undefined, { key: now.body.key })).status, 200);
  const old = { key: rotated.body.key };
  assertEquals((await it.call("GET /api/v1/me", undefined, old)).status, 401);
  assertEquals((await it.call(path, { grace_seconds: -1 })).status, 400);
});

Deno.test("DELETE ends a key at once", async () => {
  await using it = await openBench();
  const { key, key_id } = (await it.call("POST /api/v1/keys")).body;
  assertEquals((await it.call("GET /api/v1/me", undefined, { key })).status, 200);
  const gone = await it.call(`DELETE /api/v1/keys/${key_id}`);
  assertEquals([gone.status, gone.body], [200, { key_id, revoked: true }]);
  assertEquals((await it.call("GET /api/v1/me", undefined, { key })).status, 401);
  for (const line of [`DELETE /api/v1/keys/${key_id}`, `POST /api/v1/keys/${key_id}/rotate`]) {
    const { status, body } = await it.call(line);
    assertEquals([status, body.error.code], [404, "key_not_found"]);
  }
  assertEquals((await it.call("GET /api/v1/keys")).body[0].status, "revoked");
});

Deno.test("keys of another org are not there, and keys need the scope admin", async () => {
  await using it = await openBench();
  const { key_id } = (await it.call("POST /api/v1/keys", { limits: [CALLS] })).body;
  const raise = { metric_type: "api_calls", increase_by: 1 };
  const routes: [string, unknown][] = [
    [`POST /api/v1/keys/${key_id}/rotate`, undefined],
    [`DELETE /api/v1/keys/${key_id}`, undefined],
    [`GET /api/v1/keys/${key_id}/limits`, undefined],
    [`POST /api/v1/keys/${key_id}/limits`, CALLS],
    [`POST /api/v1/keys/${key_id}/limits/increase`, raise],
  ];
  for (const [line, body] of routes) {
    const theirs = await it.call(line, body, { caller: "eve" });
    assertEquals([theirs.status, theirs.body.error.code], [404, "key_not_found"], line);
  }
  assertEquals((await it.call("GET /api/v1/keys", undefined, { caller: "eve" })).body, []);
  const admin: [string, unknown][] = [
    ...routes,
    ["POST /api/v1/keys", {}],
    ["GET /api/v1/keys", undefined],
    ["GET /api/v1/orgs/self/limits", undefined],
    ["PUT /api/v1/orgs/self/limits", { limits: [] }],
    ["POST /api/v1/orgs/self/limits", CALLS],
    ["POST /api/v1/orgs/self/limits/increase", raise],
  ];
  for (const [line, body] of admin) {
    const { status, body: answer } = await it.call(line, body, { caller: "plain" });
    assertEquals([status, answer.error.required_scope], [403, "admin"], line);
  }
});

Deno.test("GET keys pages by cursor", async () => {
  await using it = await openBench();
  const made: string[] = [];
  for (let i = 0; i < 5; i++) made.unshift((await it.call("POST /api/v1/keys")).body.key_id);
  const seen: string[] = [];
  let path: string | undefined = "/api/v1/keys?limit=2";
  while (path !== undefined) {
    const page = await it.call(`GET ${path}`);
    assertEquals(page.status, 200);
    seen.push(...page.body.map((one: { key_id: string }) => one.key_id));
    path = /^<([^>]+)>; rel="next"$/.exec(page.headers.get("link") ?? "")?.[1];
  }
  assertEquals(seen, made);
  assertEquals((await it.call("GET /api/v1/keys?cursor=zzz")).status, 400);
});

Deno.test("the org's limits bind every key of the org", async () => {
  await using it = await openBench();
  const limits = [CALLS];
  for (let i = 0; i < 2; i++) {
    const put = await it.call("PUT /api/v1/orgs/self/limits", { limits });
    assertEquals([put.status, put.body.length, put.body[0].scope], [200, 1, "org"]);
  }
  const other = await it.call("PUT /api/v1/orgs/self/limits", {
    limits: [{ ...CALLS, limit_value: 5 }],
  });
  assertEquals([other.status, other.body.error.code], [409, "limit_conflict"]);
  const nameless = await it.call("PUT /api/v1/orgs/self/limits", {
    limits: [{ ...CALLS, limit_id: undefined }],
  });
  assertEquals(nameless.body.error.param, "limits[0].limit_id");

  const headers = { "x-no-session": "true" };
  assertEquals((await it.call("POST /v1/chat/completions", CHAT, { headers })).status, 200);
  const refused = await it.call("POST /v1/chat/completions", CHAT, { headers, caller: "ben" });
  assertEquals([refused.status, refused.body.error.scope], [429, "org"]);
  const eve = await it.call("POST /v1/chat/completions", CHAT, { headers, caller: "eve" });
  assertEquals(eve.status, 200);
  const raised = await it.call("POST /api/v1/orgs/self/limits/increase", {
    metric_type: "api_calls",
    increase_by: 1,
  });
  assertEquals(raised.body.limit_value, 2);
  const ben = await it.call("POST /v1/chat/completions", CHAT, { headers, caller: "ben" });
  assertEquals(ben.status, 200);
  const added = await it.call("POST /api/v1/orgs/self/limits", {
    limit_type: "soft",
    metric_type: "cost_usd",
    limit_value: 3,
  });
  assertEquals(added.status, 201);
  assertEquals((await it.call("GET /api/v1/orgs/self/limits")).body.length, 2);
  assertEquals(
    (await it.call("GET /api/v1/orgs/self/limits", undefined, { caller: "eve" })).body,
    [],
  );
});

Deno.test("SynthClient speaks of keys as the gateway does", async () => {
  await using it = await openBench();
  const { keys } = it.client();
  const made = await keys.create({ name: "ci", scopes: ["infer"] });
  const rotated = await keys.rotate(made.key_id);
  assert(rotated.key !== made.key);
  await keys.addLimit(made.key_id, { limit_type: "hard", metric_type: "tokens", limit_value: 5 });
  await keys.increaseLimit(made.key_id, { metric_type: "tokens", increase_by: 5 });
  assertEquals((await keys.limits(made.key_id))[0]?.limit_value, 10);
  await keys.putOrgLimits([{
    limit_id: "cap",
    limit_type: "hard",
    metric_type: "cost_usd",
    limit_value: "100",
  }]);
  assertEquals((await keys.limits(null)).map((limit) => limit.limit_value), [100]);
  await keys.revoke(made.key_id);
  assertEquals((await keys.list({ limit: 10 })).map((key) => key.status), ["revoked", "revoked"]);
});

Deno.test("a rotated key and its successor share one limit on requests", async () => {
  await using it = await openBench();
  const made = (await it.call("POST /api/v1/keys", { requests_per_minute: 3 })).body;
  const ask = async (key: string) => (await it.call("GET /v1/models", undefined, { key })).status;
  assertEquals([await ask(made.key), await ask(made.key)], [200, 200]);
  const rotate = `POST /api/v1/keys/${made.key_id}/rotate`;
  const next = (await it.call(rotate, { grace_seconds: 600 })).body;
  assertEquals([next.key_id, next.requests_per_minute], [made.key_id, 3]);
  assertEquals([await ask(next.key), await ask(next.key), await ask(made.key)], [200, 429, 429]);
  await it.clock.tick(61_000);
  assertEquals([await ask(made.key), await ask(next.key)], [200, 200]);
});

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BudgetMessage, refusalError } from "./refusal.ts";
import type { RefusalContext } from "./refusal.ts";
import type { Refusal } from "./ledger/ledger.ts";
import type { LimitState } from "./limits.ts";

const ID = `sess_${"a".repeat(26)}`;
const NOW = 1_750_000_000_000;

function state(more: Partial<LimitState> = {}): LimitState {
  return {
    id: "lim",
    metric: "tokens",
    kind: "hard",
    value: 1000n,
    windowMs: null,
    warnPpm: null,
    expiresAt: null,
    scope: "session",
    held: 100n,
    charged: 700n,
    overrun: 50n,
    ...more,
  };
}

function tell(
  refusal: Partial<Extract<Refusal, { limit: LimitState }>>,
  context: Partial<RefusalContext> = {},
) {
  return refusalError({
    granted: false,
    sessionId: ID,
    reason: "exceeded",
    limit: state(),
    asked: 300n,
    freesAt: null,
    ...refusal,
  }, {
    client: "other",
    model: { name: "m-1", key: "m-*" },
    unmeterable: null,
    onLimit: "auto",
    now: NOW,
    ...context,
  });
}

Deno.test("refusalError() says what is used up, by how much, and what would lift it", async () => {
  const error = tell({});
  assertEquals([error.status, error.code], [429, "session_limit_exceeded"]);
  assertEquals(error.headers, { "x-should-retry": "false" });
  const { error: body } = await error.toResponse("req_1").json();
  assertEquals(body.type, "insufficient_quota");
  const { metric, scope, session_id, limit_id, limit, used, held, asked } = body;
  assertEquals({ metric, scope, session_id, limit_id, limit, used, held, asked }, {
    metric: "tokens",
    scope: "session",
    session_id: ID,
    limit_id: "lim",
    limit: 1000,
    used: 750,
    held: 100,
    asked: 300,
  });
  assertStringIncludes(body.message, "limit 1000, used 750, reserved 100, this request needs 300");
  assertStringIncludes(body.remedy, `POST /api/v1/sessions/${ID}/limits/increase`);
});

Deno.test("refusalError() tells a key's and an org's limit to be raised by the operator", () => {
  for (const scope of ["key", "org"] as const) {
    const error = tell({ limit: state({ scope }) });
    assertStringIncludes(error.message, `The ${scope}'s tokens limit`);
    assertStringIncludes(error.hint ?? "", `ask the operator to raise the ${scope}'s limit`);
  }
});

Deno.test("refusalError() shows amounts in the units of the wire", () => {
  const cost = tell({
    limit: state({ metric: "cost", value: 20_000_000_000n, charged: 19_500_000_000n, overrun: 0n }),
    asked: 750_000_000n,
  });
  assertEquals([cost.details["limit"], cost.details["used"], cost.details["asked"]], [
    20,
    19.5,
    0.75,
  ]);
  assertEquals(cost.details["metric"], "cost_usd");
  const gpu = tell({ limit: state({ metric: "gpu_time", value: 7_200_000n }), asked: 0n });
  assertEquals([gpu.details["metric"], gpu.details["limit"]], ["gpu_hours", 2]);
});

Deno.test("refusalError() has a Retry-After only for a window that frees within 60 s", () => {
  for (const [ms, seconds] of [[1, "1"], [59_001, "60"], [60_000, "60"], [-5, "1"]] as const) {
    assertEquals(tell({ freesAt: NOW + ms }).headers["retry-after"], seconds);
  }
  const far = tell({ freesAt: NOW + 60_001 });
  assertEquals(far.headers["retry-after"], undefined);
  assertEquals(far.details["frees_at"], (NOW + 61_000) / 1000);
  assertStringIncludes(far.hint ?? "", "wait 61 s");
});

Deno.test("refusalError() is shaped by client and session", () => {
  for (
    const [client, onLimit, status, type] of [
      ["codex", "auto", 429, "usage_limit_reached"],
      ["opencode", "auto", 402, "insufficient_quota"],
      ["ai-sdk", "auto", 402, "insufficient_quota"],
      ["openai-sdk", "auto", 429, "insufficient_quota"],
      ["other", "auto", 429, "insufficient_quota"],
      ["codex", "error", 429, "insufficient_quota"],
      ["opencode", "error", 429, "insufficient_quota"],
      ["codex", "message", 429, "insufficient_quota"],
    ] as const
  ) {
    const error = tell({}, { client, onLimit });
    assertEquals([error.status, error.type], [status, type], `${client} ${onLimit}`);
    assertEquals(error instanceof BudgetMessage, onLimit === "message");
    const promo = client === "codex" && onLimit === "auto";
    assertEquals(error.headers["x-codex-promo-message"] !== undefined, promo);
  }
  const message = tell({}, { onLimit: "message" });
  assert(message instanceof BudgetMessage);
  assertMatch(message.text, /^\[synth\] The session's tokens limit .+ open a new session\.$/);
});

Deno.test("refusalError() never puts into a header what cannot stand there", () => {
  const error = tell({ limit: state({ id: "é\n" }) }, { client: "codex" });
  for (const value of Object.values(error.headers)) assertMatch(value, /^[\x20-\x7e]{1,500}$/);
  assertEquals(
    tell({ freesAt: NOW + 5000 }, { client: "codex" }).details["resets_at"],
    NOW / 1000 + 5,
  );
});

Deno.test("refusalError() lets what is only reserved be tried again", () => {
  const error = tell({ reason: "reserved" });
  assertEquals([error.status, error.code, error.type], [
    429,
    "session_budget_reserved",
    "rate_limit_error",
  ]);
  assertEquals(error.headers, { "retry-after": "1", "x-should-retry": "true" });
});

Deno.test("refusalError() names the line to add for a price or a bound", () => {
  const price = tell({ reason: "price_unknown", limit: state({ metric: "cost" }) });
  assertEquals([price.status, price.code, price.param], [400, "price_unknown", "model"]);
  assertStringIncludes(price.hint ?? "", '[models."m-*"]');
  assertStringIncludes(price.hint ?? "", 'price = "free"');
  const field = tell({ reason: "unmeterable" }, { unmeterable: "plugins" });
  assertEquals([field.status, field.code, field.param], [400, "unmeterable_field", "plugins"]);
  const output = tell({ reason: "unmeterable" });
  assertEquals(output.param, null);
  assertStringIncludes(output.hint ?? "", "max_output_tokens");
});

Deno.test("refusalError() refuses sessions that are not there for good", () => {
  for (
    const [reason, code] of [
      ["session_unknown", "session_not_found"],
      ["session_ended", "session_ended"],
      ["session_expired", "session_expired"],
    ] as const
  ) {
    const error = refusalError({ granted: false, sessionId: ID, reason }, {
      client: "codex",
      model: { name: "m", key: "m" },
      unmeterable: null,
      onLimit: "auto",
      now: NOW,
    });
    assertEquals([error.status, error.code, error.param], [400, code, "X-Synth-Session-ID"]);
    assertEquals(error.headers, { "x-should-retry": "false" });
  }
});

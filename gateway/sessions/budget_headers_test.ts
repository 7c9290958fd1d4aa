import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { budgetHeaders } from "./budget_headers.ts";
import type { Grant } from "./ledger/ledger.ts";
import { type LimitState, METRICS, NOTHING } from "./limits.ts";

const NOW = 1_750_000_000_000;

function state(more: Partial<LimitState>): LimitState {
  return {
    id: "lim",
    metric: "tokens",
    kind: "hard",
    value: 1000n,
    windowMs: null,
    warnPpm: null,
    expiresAt: null,
    scope: "session",
    held: 0n,
    charged: 0n,
    overrun: 0n,
    ...more,
  };
}

function headers(limits: LimitState[], client: "codex" | "other" = "other", sessionId = "sess_1") {
  const grant: Grant = {
    granted: true,
    lease: { leaseId: "lease_1", org: "o", keyId: "k", sessionId: sessionId || null },
    opened: false,
    outputTokens: null,
    inputTokens: 1,
    held: NOTHING,
    expiresAt: NOW,
    limits,
  };
  return budgetHeaders(grant, client, NOW);
}

Deno.test("budgetHeaders() shows the tightest hard limit of each metric, this lease counted", () => {
  assertEquals(
    headers([
      state({ held: 100n, charged: 400n, overrun: 50n }),
      state({ scope: "org", value: 500n, charged: 100n }),
      state({ kind: "soft", value: 1n, charged: 0n }),
      state({ metric: "cost", value: 20_000_000_000n, charged: 1n }),
      state({ metric: "gpu_time", value: 5_400_000n }),
    ]),
    {
      "x-synth-session-id": "sess_1",
      "x-synth-limit-tokens": "500",
      "x-synth-remaining-tokens": "400",
      "x-synth-limit-cost-usd": "20",
      "x-synth-remaining-cost-usd": "19.999999999",
      "x-synth-limit-gpu-hours": "1.5",
      "x-synth-remaining-gpu-hours": "1.5",
    },
  );
  assertEquals(headers([], "codex", ""), {});
});

Deno.test("budgetHeaders() warns of soft limits and thresholds", () => {
  const warning = (limit: Partial<LimitState>) => headers([state(limit)])["x-synth-budget-warning"];
  assertEquals(warning({ kind: "soft", charged: 1001n }), "session tokens soft_limit_exceeded");
  assertEquals(warning({ kind: "soft", charged: 1000n }), undefined);
  assertEquals(
    warning({ warnPpm: 900_000, charged: 800n, held: 100n }),
    "session tokens warning_threshold_reached",
  );
  assertEquals(warning({ warnPpm: 900_000, charged: 899n }), undefined);
});

Deno.test("budgetHeaders() gives Codex its own headers, and no reset to what never resets", () => {
  const full = headers(
    [state({ charged: 250n }), state({ metric: "api_calls", value: 0n })],
    "codex",
  );
  assertEquals(full["x-codex-primary-used-percent"], "100.0");
  const codex = headers([state({ charged: 250n })], "codex");
  assertEquals(codex["x-codex-primary-used-percent"], "25.0");
  assertEquals(codex["x-codex-primary-reset-at"], undefined);
  const window = headers([state({ windowMs: 3_600_000 })], "codex");
  assertEquals(window["x-codex-primary-window-minutes"], "60");
  assertEquals(window["x-codex-primary-reset-at"], String(NOW / 1000 + 3600));
});

Deno.test("budgetHeaders() writes plain decimals, whatever the amounts", () => {
  const amount = fc.bigInt(0n, 9_007_199_254_740_991n);
  fc.assert(fc.property(fc.constantFrom(...METRICS), amount, amount, (metric, value, charged) => {
    const all = headers([state({ metric, value, charged })], "codex");
    for (const [name, text] of Object.entries(all)) {
      if (name !== "x-synth-session-id") assertMatch(text, /^\d+(?:\.\d*[1-9])?$|^\d+\.0$/);
    }
  }));
});

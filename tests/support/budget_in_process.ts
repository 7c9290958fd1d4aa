/** A gateway with budgets in this process. @module */
import { newSessionId } from "@synth/core";
import { type Principal, SCOPES } from "@synth/core/auth";
import { configSchema, type SynthConfig } from "@synth/core/config";
import type { SessionLedger } from "../../gateway/sessions/ledger/ledger.ts";
import type { LimitSpec } from "../../gateway/sessions/limits.ts";
import type { Rec } from "./response_shape.ts";

/** Who asks in these tests. */
export function budgetPrincipal(): Principal {
  return {
    org: "org-a",
    user: "me",
    keyId: "key_test",
    scopes: new Set(SCOPES),
    expiresAt: null,
  };
}

/** `up-*` costs, `up-free-*` does not, `up-new-*` has no price. */
export function inProcessConfig(baseUrl: string, more: Rec = {}): SynthConfig {
  return configSchema.parse({
    ...more,
    upstreams: { up: { base_url: baseUrl } },
    models: {
      "up-*": { upstream: "up", price: { input: 0.075, output: 0.3 } },
      "up-free-*": { upstream: "up", price: "free" },
      "up-new-*": { upstream: "up" },
    },
  });
}

/** A hard limit without a window. */
export function hard(metric: LimitSpec["metric"], value: number): LimitSpec {
  return {
    id: metric,
    metric,
    kind: "hard",
    value: BigInt(value),
    windowMs: null,
    warnPpm: null,
    expiresAt: null,
  };
}

/** Opens a session of {@linkcode budgetPrincipal} that nothing attaches to by itself; gives its id. */
export async function openIn(
  ledger: SessionLedger,
  limits: readonly LimitSpec[],
  metadata: Record<string, string> = {},
): Promise<string> {
  const { org, user, keyId } = budgetPrincipal();
  const id = newSessionId();
  await ledger.openSession({
    org,
    user,
    keyId,
    makeActive: false,
    spec: {
      id,
      ttlMs: null,
      idleMs: null,
      limits,
      type: "api_call",
      tracingSessionId: null,
      metadata,
    },
  });
  return id;
}

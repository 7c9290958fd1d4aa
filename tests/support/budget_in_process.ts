/** A gateway with budgets in this process. @module */
import { createLogger, newSessionId } from "@synth/core";
import { Authenticator, type Principal, SCOPES } from "@synth/core/auth";
import { configSchema, type SynthConfig } from "@synth/core/config";
import { createGateway, type Gateway, type GatewayOptions } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import type { SessionLedger } from "../../gateway/sessions/ledger/ledger.ts";
import type { LimitSpec } from "../../gateway/sessions/limits.ts";
import type { Rec } from "./response_shape.ts";
import { TEST_KEY } from "./test_gateway.ts";

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

/** A gateway with what the test put in. Disposing drains it without grace; the ledger is closed with it. */
export interface BudgetGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  /** Sends a request to `path`, by default `POST /v1/responses`. */
  ask(
    body: Rec,
    headers?: Record<string, string>,
    path?: string,
    signal?: AbortSignal | null,
  ): Promise<Response>;
  /** Waits for what outlives the answers. */
  settled(): Promise<void>;
  readonly lines: readonly string[];
}

/** Opens one in front of an upstream. */
export async function startBudgetGateway(
  options: Partial<GatewayOptions> & { readonly baseUrl: string; readonly more?: Rec },
): Promise<BudgetGateway> {
  const { baseUrl, more = {}, ...given } = options;
  const lines: string[] = [];
  const kept: Promise<unknown>[] = [];
  const gateway = await createGateway({
    config: inProcessConfig(baseUrl, more),
    authenticator: new Authenticator({
      staticKeys: [{ key: TEST_KEY, principal: budgetPrincipal() }],
    }),
    secrets: { env: () => undefined },
    transport: undiciTransport(),
    log: createLogger({ write: (line) => void lines.push(line) }),
    ...given,
  });
  return {
    gateway,
    lines,
    ask: (body, headers = {}, path = "/v1/responses", signal = null) =>
      gateway.fetch(
        new Request(`http://gateway.test${path}`, {
          method: "POST",
          body: JSON.stringify(body),
          signal,
          headers: {
            authorization: `Bearer ${TEST_KEY}`,
            "content-type": "application/json",
            ...headers,
          },
        }),
        { waitUntil: (promise) => void kept.push(promise) },
      ),
    async settled() {
      while (kept.length > 0) await Promise.allSettled(kept.splice(0));
    },
    [Symbol.asyncDispose]: () => gateway.drain(0),
  };
}

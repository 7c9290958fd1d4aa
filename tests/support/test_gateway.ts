/** A gateway in this process, in front of whatever upstream the test has. @module */
import { createLogger, FakeClock } from "@synth/core";
import { Authenticator, type Principal, type Scope } from "@synth/core/auth";
import { configSchema, type SynthConfig } from "@synth/core/config";
import { createGateway, type Gateway, type GatewayOptions } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import { parseSseText } from "./sse_text.ts";
import type { Rec } from "./response_shape.ts";

/** The key that {@linkcode post} sends. */
export const TEST_KEY = "test-key-of-the-gateway";

/** What differs from the default. */
export interface TestGatewayOptions extends Partial<GatewayOptions> {
  /** `base_url` of the upstream `up`, which serves every `mock-*` and `up-*` model. */
  readonly baseUrl?: string;
  /** More members of `[gateway]`. */
  readonly settings?: Rec;
  /** More members of `[upstreams.up]`. */
  readonly upstream?: Rec;
  readonly scopes?: readonly Scope[];
}

/** A gateway with what it logged. Disposing drains it without grace. */
export interface TestGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  /** Lines of the log. */
  readonly lines: string[];
  /** Sends a JSON body with the test's key. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
  /** Sends a GET with the test's key. */
  get(path: string): Promise<Response>;
}

/** The configuration of {@linkcode startGateway}. */
export function testConfig(options: TestGatewayOptions = {}): SynthConfig {
  return configSchema.parse({
    gateway: options.settings ?? {},
    upstreams: {
      up: { base_url: options.baseUrl ?? "http://127.0.0.1:1/v1", ...options.upstream },
    },
    models: {
      "mock-*": { upstream: "up", price: "free" },
      "up-*": { upstream: "up", price: "free" },
      "renamed": { upstream: "up", model: "mock-text", price: "free" },
    },
  });
}

/** Opens one. */
export async function startGateway(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const principal: Principal = {
    org: "org-a",
    user: "me",
    keyId: "key_test",
    scopes: new Set(options.scopes ?? ["infer", "admin"]),
    expiresAt: null,
  };
  const lines: string[] = [];
  const { baseUrl: _, settings: __, upstream: ___, scopes: ____, ...given } = options;
  const gateway = await createGateway({
    config: testConfig(options),
    authenticator: new Authenticator({ staticKeys: [{ key: TEST_KEY, principal }] }),
    secrets: { env: () => undefined },
    transport: undiciTransport(),
    log: createLogger({ write: (line) => void lines.push(line), level: "debug" }),
    ...given,
  });
  const headers = { authorization: `Bearer ${TEST_KEY}` };
  return {
    gateway,
    lines,
    post: (path, body, init = {}) =>
      gateway.fetch(
        new Request(`http://gateway.test${path}`, {
          method: "POST",
          body: JSON.stringify(body),
          ...init,
          headers: { ...headers, "content-type": "application/json", ...init.headers as object },
        }),
      ),
    get: (path) => gateway.fetch(new Request(`http://gateway.test${path}`, { headers })),
    [Symbol.asyncDispose]: () => gateway.drain(0),
  };
}

/** The events of a streamed answer. */
export async function eventsOf(response: Response): Promise<Rec[]> {
  return parseSseText(await response.text());
}

/** Does not wait: `sleep` returns at once and says how long it was asked for. Timers fire only when the clock is moved. */
export class ImpatientClock extends FakeClock {
  readonly slept: number[] = [];

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.slept.push(ms);
    return Promise.resolve();
  }
}

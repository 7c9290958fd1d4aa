/** A gateway with everything that it can have, in this process: keys of several orgs, ledger, documents, seals. @module */
import { createLogger, FakeClock } from "@synth/core";
import { Authenticator, KeyStore, type MadeKey, type Scope, SCOPES } from "@synth/core/auth";
import { configSchema } from "@synth/core/config";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createGateway, type Gateway, type GatewayOptions } from "@synth/gateway";
import { undiciTransport } from "@synth/gateway/deno";
import { createSealer, generateSealKey, parseSealKeys } from "../../gateway/bridge/seal.ts";
import type { SessionLedger } from "../../gateway/sessions/ledger/ledger.ts";
import { openSqliteLedger } from "../../gateway/sessions/ledger/ledger_sqlite.ts";
import type { Rec } from "./response_shape.ts";

/** What differs from the default. */
export interface FullGatewayOptions extends Partial<GatewayOptions> {
  /** `base_url` of the upstream `up`, which serves `up-*`; `rev-*` goes to the same place as a Responses upstream. */
  readonly baseUrl?: string;
  /** More members of `[gateway]`. */
  readonly settings?: Rec;
  /** More members of the upstreams. */
  readonly upstream?: Rec;
}

/** The gateway. Disposing drains it without grace. */
export interface FullGateway extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly clock: FakeClock;
  readonly keys: KeyStore;
  readonly ledger: SessionLedger;
  /** Lines of the log. */
  readonly lines: string[];
  /** Makes a key. */
  key(org: string, scopes?: readonly Scope[]): Promise<MadeKey>;
  /** Sends `METHOD /path`; a body that is a text goes out as it is. */
  send(line: string, body?: unknown, headers?: HeadersInit): Promise<Response>;
}

/** Where its requests seem to go. */
export const FULL_ORIGIN = "http://127.0.0.1";

/** Opens one. */
export async function startFullGateway(options: FullGatewayOptions = {}): Promise<FullGateway> {
  await using stack = new AsyncDisposableStack();
  const { baseUrl = "http://127.0.0.1:1/v1", settings = {}, upstream = {}, ...given } = options;
  const clock = given.clock instanceof FakeClock ? given.clock : new FakeClock();
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  stack.defer(() => file.close());
  const documents = new SqliteDocumentStore(file, { clock });
  const keys = new KeyStore(documents, { clock });
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const authenticator = new Authenticator({ keys, clock });
  stack.defer(() => authenticator.close());
  const lines: string[] = [];
  const gateway = await createGateway({
    config: configSchema.parse({
      gateway: settings,
      upstreams: {
        up: { base_url: baseUrl, ...upstream },
        rev: { base_url: baseUrl, ...upstream, api: "responses" },
      },
      models: {
        "up-*": { upstream: "up", price: "free" },
        "rev-*": { upstream: "rev", price: "free" },
      },
    }),
    authenticator,
    secrets: { env: () => undefined },
    transport: undiciTransport(),
    log: createLogger({ write: (line) => void lines.push(line), level: "debug" }),
    sealer: createSealer(parseSealKeys(generateSealKey("k1"))),
    documents,
    ledger,
    keys,
    clock,
    ...given,
  });
  stack.defer(() => gateway.drain(0));
  const kept = stack.move();
  return {
    gateway,
    clock,
    keys,
    ledger,
    lines,
    key: (org, scopes = SCOPES) => keys.create({ org, user: "ann", scopes }),
    send(line, body, headers = {}) {
      const [method = "", path = ""] = line.split(" ");
      const sent = new Headers(headers);
      if (body !== undefined && !sent.has("content-type")) {
        sent.set("content-type", "application/json");
      }
      return gateway.fetch(
        new Request(FULL_ORIGIN + path, {
          method,
          headers: sent,
          ...(body === undefined
            ? {}
            : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      );
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

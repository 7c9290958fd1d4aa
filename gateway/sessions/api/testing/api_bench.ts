/** A gateway over a real SQLite ledger and key store, and callers of two orgs, for the tests of the API. @module */
import { FakeClock } from "@synth/core";
import { SynthClient } from "@synth/core/api";
import { Authenticator, KeyStore, type Scope, SCOPES, type StaticKey } from "@synth/core/auth";
import { configSchema } from "@synth/core/config";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createGateway } from "../../../gateway.ts";
import type { Gateway } from "../../../options.ts";
import { fetchTransport } from "../../../upstreams/fetch_transport.ts";
import type { SessionLedger } from "../../ledger/ledger.ts";
import { openSqliteLedger } from "../../ledger/ledger_sqlite.ts";

/** Callers: `ann` and `ben` of one org, `eve` of another; `infer` may only infer; `plain` may not administer. */
export type Caller = "ann" | "ben" | "eve" | "infer" | "plain";

const CALLERS: Readonly<Record<Caller, { org: string; user: string; scopes: readonly Scope[] }>> = {
  ann: { org: "org-a", user: "ann", scopes: SCOPES },
  ben: { org: "org-a", user: "ben", scopes: SCOPES },
  eve: { org: "org-b", user: "eve", scopes: SCOPES },
  infer: { org: "org-a", user: "ann", scopes: ["infer"] },
  plain: { org: "org-a", user: "ann", scopes: ["infer", "sessions"] },
};

/** An answer, read. */
export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- tests look into bodies of every shape
  readonly body: any;
  readonly headers: Headers;
}

/** What a test is given. */
export interface ApiBench extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly ledger: SessionLedger;
  readonly keys: KeyStore;
  readonly gateway: Gateway;
  /** Sends a request; a body is sent as JSON. */
  call(
    line: string,
    body?: unknown,
    options?: { caller?: Caller; key?: string; headers?: Record<string, string> },
  ): Promise<Answer>;
  /** The typed client. */
  client(caller?: Caller): SynthClient;
}

/** Opens one. */
export async function openBench(): Promise<ApiBench> {
  const clock = new FakeClock(Date.UTC(2026, 10, 22, 12));
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  const keys = new KeyStore(new SqliteDocumentStore(file, { clock }), { clock });
  const staticKeys: StaticKey[] = Object.entries(CALLERS).map(([name, { org, user, scopes }]) => ({
    key: keyOf(name),
    principal: { org, user, keyId: `key_${name}`, scopes: new Set(scopes), expiresAt: null },
  }));
  const authenticator = new Authenticator({ keys, staticKeys, clock });
  const gateway = await createGateway({
    config: configSchema.parse({
      upstreams: { groq: { base_url: "http://127.0.0.1:1/v1", profile: "groq" } },
      models: {
        "fast": { upstream: "groq", model: "openai/gpt-oss-20b" },
        "own": { upstream: "groq", price: { input: 1, output: 2 } },
        "unpriced": { upstream: "groq" },
      },
    }),
    authenticator,
    secrets: { env: () => undefined },
    transport: fetchTransport(),
    ledger,
    keys,
    store: { ping: () => Promise.resolve(), close: () => file.close() },
    clock,
  });
  const send = (request: Request): Promise<Response> => gateway.fetch(request);
  return {
    clock,
    ledger,
    keys,
    gateway,
    async call(line, body, { caller = "ann", key = keyOf(caller), headers = {} } = {}) {
      const [method = "", path = ""] = line.split(" ");
      const response = await send(
        new Request(`http://gateway.test${path}`, {
          method,
          headers: { authorization: `Bearer ${key}`, ...headers },
          ...(body === undefined
            ? {}
            : { body: typeof body === "string" ? body : JSON.stringify(body) }),
        }),
      );
      const text = await response.text();
      return {
        status: response.status,
        body: text === "" ? null : JSON.parse(text),
        headers: response.headers,
      };
    },
    client: (caller = "ann") =>
      new SynthClient({
        baseUrl: "http://gateway.test",
        apiKey: keyOf(caller),
        fetch: (input, init) => send(new Request(input, init)),
      }),
    async [Symbol.asyncDispose]() {
      authenticator.close();
      await gateway.drain(0);
    },
  };
}

function keyOf(caller: string): string {
  return `static-key-of-${caller}`;
}

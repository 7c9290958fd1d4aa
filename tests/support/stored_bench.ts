/** A gateway that stores responses, on each of the stores, with what its store was asked. @module */
import { join } from "node:path";
import { FakeClock, newId } from "@synth/core";
import { Authenticator, type Principal, SCOPES } from "@synth/core/auth";
import { documentMigrations, type DocumentStore, SqliteDocumentStore } from "@synth/core/storage";
import { RedisDocumentStore } from "@synth/core/storage";
import { UpstashTransport } from "@synth/core/storage/upstash";
import { RespTransport } from "@synth/core/storage/resp";
import { openSqlite } from "@synth/core/storage/sqlite";
import {
  createSealer,
  generateSealKey,
  parseSealKeys,
  type Sealer,
} from "../../gateway/bridge/seal.ts";
import { ResponseStore } from "../../gateway/responses/response_store.ts";
import type { RedisServer } from "./redis_server.ts";
import type { Rec } from "./response_shape.ts";
import { startUpstashProxy } from "./upstash_proxy.ts";
import { type ScriptedUpstream, startUpstream } from "./scripted_upstream.ts";
import { eventsOf, startGateway, type TestGateway } from "./test_gateway.ts";
import { checkEvents, checkResponse, finalResponse } from "./response_invariants.ts";

/** Everything a test of stored responses needs. */
export interface StoredBench extends AsyncDisposable {
  readonly upstream: ScriptedUpstream;
  readonly it: TestGateway;
  readonly store: CountingStore;
  readonly org: string;
  readonly responses: ResponseStore;
  readonly sealer: Sealer;
  /** Lets this many milliseconds go by for SQLite; Redis has its own time. */
  pass(ms: number): Promise<void>;
  /** Sends a request, as the caller `a` or, of another org, `b`. */
  send(line: string, body?: unknown, options?: SendOptions): Promise<Response>;
  /** Creates a response, streamed or whole, and checks it. */
  create(body: Rec, stream?: boolean): Promise<Rec>;
  /** The messages of the upstream's last request, as `role: text`. */
  sent(): string[];
}

/** How a request is sent. */
export interface SendOptions {
  readonly caller?: "a" | "b";
  readonly headers?: Record<string, string>;
}

/** Counts the round trips, and can fail. */
export class CountingStore implements DocumentStore {
  readonly #inner: DocumentStore;
  readonly calls: string[] = [];
  /** Bytes of JSON that were written, and read. */
  bytes = 0;
  bytesRead = 0;
  /** What the next puts throw, or wait for. */
  onPut: (() => Promise<void>) | null = null;
  /** What comes before the next reads of several. */
  onRead: (() => Promise<void>) | null = null;

  constructor(inner: DocumentStore) {
    this.#inner = inner;
  }

  get: DocumentStore["get"] = (...args) => {
    this.calls.push("get");
    return this.#inner.get(...args);
  };

  getMany: DocumentStore["getMany"] = async (...args) => {
    this.calls.push(`getMany ${args[2].length}`);
    await this.onRead?.();
    const found = await this.#inner.getMany(...args);
    for (const one of found) this.bytesRead += JSON.stringify(one?.value ?? "").length;
    return found;
  };

  put: DocumentStore["put"] = async (...args) => {
    this.calls.push("put");
    this.bytes += JSON.stringify(args[3]).length;
    await this.onPut?.();
    return await this.#inner.put(...args);
  };

  delete: DocumentStore["delete"] = (...args) => {
    this.calls.push("delete");
    return this.#inner.delete(...args);
  };

  list: DocumentStore["list"] = (...args) => this.#inner.list(...args);
  count: DocumentStore["count"] = (...args) => this.#inner.count(...args);
}

/** Which store. */
export type StoreKind = "SQLite" | "Redis" | "Upstash";

/** Every one. */
export const STORE_KINDS: readonly StoreKind[] = ["SQLite", "Redis", "Upstash"];

/** Opens a store that counts, closed with `stack`. */
export async function openDocuments(
  kind: StoreKind,
  redis: RedisServer,
  clock: FakeClock,
  stack: AsyncDisposableStack,
): Promise<CountingStore> {
  if (kind === "SQLite") {
    const dir = await Deno.makeTempDir();
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const file = await openSqlite({ path: join(dir, "d.db"), migrations: documentMigrations });
    stack.defer(() => file.close());
    return new CountingStore(new SqliteDocumentStore(file, { clock }));
  }
  if (kind === "Redis") {
    const transport = new RespTransport({ url: redis.url });
    stack.defer(() => transport.close());
    return new CountingStore(new RedisDocumentStore(transport));
  }
  const proxy = stack.use(await startUpstashProxy(redis.url));
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  return new CountingStore(new RedisDocumentStore(transport));
}

/** Opens one. */
export async function storedBench(
  kind: StoreKind,
  redis: RedisServer,
  settings: Rec = {},
  upstreamSettings: Rec = {},
): Promise<StoredBench> {
  const stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const clock = new FakeClock(Date.now());
  const store = await openDocuments(kind, redis, clock, stack);
  const org = newId("o");
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const principal = (of: string): Principal => ({
    org: of,
    user: "me",
    keyId: `key_${of}`,
    scopes: new Set(SCOPES),
    expiresAt: null,
  });
  const it = stack.use(
    await startGateway({
      baseUrl: upstream.baseUrl,
      settings,
      upstream: upstreamSettings,
      documents: store,
      sealer,
      authenticator: new Authenticator({
        staticKeys: [
          { key: "key-of-a-0123456789", principal: principal(org) },
          { key: "key-of-b-0123456789", principal: principal(`${org}b`) },
        ],
      }),
    }),
  );
  const send: StoredBench["send"] = (line, body, { caller = "a", headers = {} } = {}) => {
    const [method = "", path = ""] = line.split(" ");
    return it.gateway.fetch(
      new Request(`http://gateway.test${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { authorization: `Bearer key-of-${caller}-0123456789`, ...headers },
      }),
    );
  };
  return {
    upstream,
    it,
    store,
    org,
    responses: new ResponseStore(store, sealer),
    sealer,
    pass: (ms) => clock.tick(ms),
    send,
    async create(body, stream = false) {
      const response = await send("POST /v1/responses", { model: "mock-any", ...body, stream });
      return await checked(response, stream);
    },
    sent() {
      const messages = upstream.requests.at(-1)?.body.messages as Rec[];
      return messages.map((message) => {
        const calls = (message.tool_calls as Rec[] | undefined)?.map((call) => `<${call.id}>`) ??
          [];
        return `${message.role}: ${message.content ?? ""}${calls.join("")}`;
      });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** The response object of an answer, after the checks that every response must pass. */
export async function checked(response: Response, stream: boolean): Promise<Rec> {
  if (response.status !== 200) {
    throw new Error(`${response.status}: ${await response.text()}`);
  }
  const events = stream ? await eventsOf(response) : [];
  const object: Rec = stream ? finalResponse(events) : await response.json();
  const problems = stream ? checkEvents(events) : checkResponse(object);
  if (problems.length > 0) throw new Error(problems.join("\n"));
  return object;
}

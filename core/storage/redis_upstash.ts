/**
 * The Redis port over Upstash's REST protocol. Runs in Workers too.
 *
 * ```ts no-run
 * import { UpstashTransport } from "@synth/core/storage/upstash";
 *
 * const redis = new UpstashTransport({ url: "https://example.upstash.io", token: "..." });
 * await redis.pipeline([["PING"]]); // ["PONG"]
 * ```
 *
 * @module
 */
import { Redis } from "@upstash/redis/cloudflare";
import { type Clock, systemClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { before, LATE } from "./deadline.ts";
import { isNoScript, redisRefusal, redisTrouble } from "./redis_reply.ts";
import type { RedisPort, RedisReply, RedisScript } from "./redis.ts";
import { storeUnavailable } from "./unavailable.ts";

export type { RedisPort, RedisReply, RedisScript } from "./redis.ts";

/** Upstash locks only the keys that a script names, so scripts of different orgs run side by side. Stock Redis refuses the line. */
const SHEBANG = "#!lua flags=allow-key-locking\n";

/** How to reach an Upstash database. */
export interface UpstashOptions {
  /** `UPSTASH_REDIS_REST_URL`. */
  url: string;
  /** `UPSTASH_REDIS_REST_TOKEN`. */
  token: string;
  /** Longest time for one call, re-sending included, in milliseconds. @default {2000} */
  deadlineMs?: number;
  /** How often a request is sent again after a network error. @default {2} */
  retries?: number;
  /** Largest request that the plan takes, in bytes. @default {10_000_000} */
  maxRequestBytes?: number;
  /** @default {systemClock} */
  clock?: Clock;
}

/** One entry of a pipeline's answer. */
interface Entry {
  readonly result?: unknown;
  readonly error?: string;
}

/** A command that waits for the request that takes it along. */
interface Waiting {
  readonly command: readonly string[];
  readonly resolve: (entry: Entry) => void;
  readonly reject: (error: unknown) => void;
}

/** What we use of the client's pipeline: any command as it is, and each entry's own error. */
interface RawPipeline {
  chain(command: { command: readonly string[]; deserialize: (reply: unknown) => unknown }): void;
  exec(options: { keepErrors: true }): Promise<Entry[]>;
}

/**
 * {@linkcode RedisPort} over HTTPS. Scripts that are called together travel in one request.
 * The client sends a request again after a network error, so what it runs must be idempotent.
 */
export class UpstashTransport implements RedisPort {
  readonly transport = "upstash";
  readonly #client: Redis;
  readonly #deadlineMs: number;
  readonly #maxRequestBytes: number;
  readonly #clock: Clock;
  readonly #scripts: WeakMap<RedisScript, Promise<{ hash: string; lua: string }>> = new WeakMap();
  readonly #inFlight: Set<AbortController> = new Set();
  /** The client asks for it once for each request, in the turn in which the request is started. */
  #signal: AbortSignal = AbortSignal.abort();
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #closed = false;

  /** @throws {SynthError} `invalid_store_url` */
  constructor(options: UpstashOptions) {
    const retries = options.retries ?? 2;
    checkAddress(options);
    this.#client = new Redis({
      url: options.url,
      token: options.token,
      automaticDeserialization: false,
      enableAutoPipelining: false,
      enableTelemetry: false,
      keepAlive: false,
      retry: retries === 0 ? false : { retries, backoff: (count) => 25 * 2 ** count },
      signal: () => this.#signal,
    });
    this.#deadlineMs = options.deadlineMs ?? 2000;
    this.#maxRequestBytes = options.maxRequestBytes ?? 10_000_000;
    this.#clock = options.clock ?? systemClock;
  }

  async script(
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<RedisReply> {
    const { hash, lua } = await this.#prepare(script);
    const rest = [String(keys.length), ...keys, ...args];
    let entry = await this.#enqueue(["EVALSHA", hash, ...rest]);
    if (entry.error !== undefined && isNoScript(entry.error)) {
      entry = await this.#enqueue(["EVAL", lua, ...rest]);
    }
    return replyOf(entry, script.name);
  }

  async pipeline(commands: readonly (readonly string[])[]): Promise<RedisReply[]> {
    if (commands.length === 0) return [];
    const entries = await this.#send(commands);
    return entries.map((entry, index) => replyOf(entry, commands[index]?.[0] ?? "a command"));
  }

  /** Aborts what is under way. */
  close(): Promise<void> {
    this.#closed = true;
    for (const controller of this.#inFlight) controller.abort();
    return Promise.resolve();
  }

  #prepare(script: RedisScript): Promise<{ hash: string; lua: string }> {
    let known = this.#scripts.get(script);
    if (known === undefined) {
      const lua = SHEBANG + script.lua;
      known = sha1(lua).then((hash) => ({ hash, lua }));
      this.#scripts.set(script, known);
    }
    return known;
  }

  /** Commands of one turn share a request, as long as it stays small enough to be worth sharing. */
  #enqueue(command: readonly string[]): Promise<Entry> {
    const size = sizeOf(command);
    if (this.#waiting.length > 0 && (this.#waitingBytes + size) * 4 > this.#maxRequestBytes) {
      this.#flush();
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      this.#waitingBytes += size;
      if (this.#waiting.length === 1) queueMicrotask(() => this.#flush());
      else if (this.#waiting.length >= 500) this.#flush();
    });
  }

  #flush(): void {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (batch.length === 0) return;
    this.#send(batch.map((waiting) => waiting.command)).then(
      (entries) => {
        for (const [index, waiting] of batch.entries()) waiting.resolve(entries[index] ?? {});
      },
      (error) => {
        for (const waiting of batch) waiting.reject(error);
      },
    );
  }

  async #send(commands: readonly (readonly string[])[]): Promise<Entry[]> {
    if (this.#closed) throw storeUnavailable("The connection to Upstash was closed", "closed");
    this.#checkSize(commands);
    const pipeline = this.#client.pipeline() as unknown as RawPipeline;
    for (const command of commands) pipeline.chain({ command, deserialize: (reply) => reply });
    const controller = new AbortController();
    this.#inFlight.add(controller);
    try {
      this.#signal = controller.signal;
      const sent = pipeline.exec({ keepErrors: true });
      const end = this.#clock.monotonic() + this.#deadlineMs;
      const entries = await before(sent, end, this.#clock);
      if (entries === LATE) {
        throw storeUnavailable(`Upstash did not answer within ${this.#deadlineMs} ms`, "timeout");
      }
      if (entries.length !== commands.length) throw new TypeError("answers do not match commands");
      return entries;
    } catch (error) {
      throw error instanceof SynthError ? error : requestError(error);
    } finally {
      this.#inFlight.delete(controller);
      controller.abort();
    }
  }

  #checkSize(commands: readonly (readonly string[])[]): void {
    // UTF-8 takes at most three bytes a UTF-16 unit: most requests need no exact count.
    const units = commands.reduce((sum, command) => sum + sizeOf(command), 0);
    if (units * 6 <= this.#maxRequestBytes) return;
    const bytes = new TextEncoder().encode(JSON.stringify(commands)).length;
    if (bytes <= this.#maxRequestBytes) return;
    throw new SynthError(`A request of ${bytes} bytes is too large for the store`, {
      code: "store_request_too_large",
      status: 413,
      details: { bytes, limit: this.#maxRequestBytes },
    });
  }
}

function checkAddress(options: UpstashOptions): void {
  const invalid = (why: string) =>
    new SynthError(`The Upstash configuration is not valid: ${why}`, {
      code: "invalid_store_url",
      status: 500,
      exitCode: 2,
      hint: "Copy UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN from the database's page",
    });
  if (!/^[\x21-\x7e]+$/.test(options.token)) throw invalid("the token is empty or has spaces");
  if (!URL.canParse(options.url)) throw invalid("the URL cannot be parsed");
  const url = new URL(options.url);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw invalid("the URL is not https");
  if (url.username !== "" || url.password !== "") throw invalid("the URL holds a password");
}

function sizeOf(command: readonly string[]): number {
  return command.reduce((sum, part) => sum + part.length + 3, 2);
}

async function sha1(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-1", new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function replyOf(entry: Entry, what: string): RedisReply {
  if (entry.error !== undefined) throw redisRefusal(what, String(entry.error));
  if (!isReply(entry.result)) {
    throw storeUnavailable("Upstash answered something that is no Redis reply", "protocol");
  }
  return entry.result;
}

function isReply(value: unknown): value is RedisReply {
  if (value === null || typeof value === "string" || typeof value === "number") return true;
  return Array.isArray(value) && value.every(isReply);
}

/** The client's errors repeat the whole request, so only what kind they are is kept. */
function requestError(error: unknown): SynthError {
  const name = error instanceof Error ? error.name : "";
  if (name === "UpstashError") {
    // Commands that are refused have entries in the answer: this is about the whole request.
    const trouble = redisTrouble(error instanceof Error ? error.message : "");
    return storeUnavailable("Upstash refused a request", trouble ?? "protocol");
  }
  if (name === "UpstashJSONParseError") {
    return storeUnavailable("Upstash answered something that is not JSON", "protocol");
  }
  if (name === "AbortError") {
    return storeUnavailable("The request to Upstash was cut off", "closed");
  }
  const isNetwork = error instanceof TypeError && !isShapeError(error);
  return isNetwork
    ? storeUnavailable("Upstash cannot be reached", "network")
    : storeUnavailable("Upstash answered something that is no Redis reply", "protocol");
}

/** The client reads the answer without checking its shape first; `fetch` too fails with a TypeError. */
function isShapeError(error: Error): boolean {
  return /is not a function|is not iterable|undefined|null|do not match/.test(error.message);
}

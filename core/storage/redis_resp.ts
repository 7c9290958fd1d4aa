/**
 * The Redis port over a TCP (or TLS) connection.
 *
 * ```ts no-run
 * import { RespTransport } from "@synth/core/storage/resp";
 *
 * const redis = new RespTransport({ url: "redis://localhost:6379/0" });
 * await redis.pipeline([["PING"]]); // ["PONG"]
 * await redis.close();
 * ```
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { Redis } from "ioredis";
import { type Clock, systemClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { before, LATE } from "./deadline.ts";
import { isNoScript, redisRefusal } from "./redis_reply.ts";
import type { RedisPort, RedisReply, RedisScript } from "./redis.ts";
import { RespLink } from "./redis_resp_link.ts";
import { parseRedisUrl, type RedisAddress } from "./redis_url.ts";
import { storeUnavailable } from "./unavailable.ts";

export type { RedisPort, RedisReply, RedisScript } from "./redis.ts";

/** How to reach a Redis. */
export interface RespOptions {
  /** `redis://[user[:password]@]host[:port][/db]`, or `rediss://` for TLS. */
  url: string;
  /** Longest time for one call, connecting included, in milliseconds. @default {2000} */
  deadlineMs?: number;
  /** PEM certificates to trust beside the system's, for `rediss://`. */
  caCerts?: readonly string[];
  /** @default {systemClock} */
  clock?: Clock;
  /** For jitter: 0 to 1. @default {Math.random} */
  random?: () => number;
}

/**
 * {@linkcode RedisPort} over one connection, opened with the first call and again after it was lost.
 * A call whose connection breaks is sent once more within its deadline, so what it runs must be idempotent.
 */
export class RespTransport implements RedisPort {
  readonly transport = "resp";
  readonly #address: RedisAddress;
  readonly #caCerts: readonly string[];
  readonly #deadlineMs: number;
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #hashes: WeakMap<RedisScript, string> = new WeakMap();
  #link: RespLink | null = null;
  #closed = false;

  constructor(options: RespOptions) {
    this.#address = parseRedisUrl(options.url);
    this.#caCerts = options.caCerts ?? [];
    this.#deadlineMs = options.deadlineMs ?? 2000;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? Math.random;
  }

  script(
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<RedisReply> {
    const rest = [String(keys.length), ...keys, ...args];
    return this.#call(script.name, async (redis) => {
      try {
        return await redis.call("EVALSHA", this.#hashOf(script), ...rest) as RedisReply;
      } catch (error) {
        if (!isReply(error) || !isNoScript(error.message)) throw error;
        return await redis.call("EVAL", script.lua, ...rest) as RedisReply;
      }
    });
  }

  pipeline(commands: readonly (readonly string[])[]): Promise<RedisReply[]> {
    if (commands.length === 0) return Promise.resolve([]);
    const name = `a pipeline of ${commands.length}`;
    return this.#call(name, async (redis) => {
      const batch = redis.pipeline();
      for (const [command = "", ...args] of commands) batch.call(command, ...args);
      const replies = await batch.exec() ?? [];
      return replies.map(([error, reply]) => {
        if (error) throw error;
        return reply as RedisReply;
      });
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#link?.close();
    this.#link = null;
  }

  async #call<T>(what: string, run: (redis: Redis) => Promise<T>): Promise<T> {
    const start = this.#clock.monotonic();
    const end = start + this.#deadlineMs;
    for (let resent = false;; resent = true) {
      const link = await this.#connected(end);
      try {
        const reply = await before(run(link.redis), end, this.#clock);
        if (reply !== LATE) {
          link.lastReply = this.#clock.monotonic();
          return reply;
        }
        // Nothing at all came back: the peer hangs or is gone, so the next call gets a new connection.
        if (link.lastReply <= start) this.#drop(link);
        throw storeUnavailable(`Redis did not answer within ${this.#deadlineMs} ms`, "timeout");
      } catch (error) {
        if (error instanceof SynthError) throw error;
        if (isReply(error)) {
          // A replica that was the primary: the name may lead to the new primary by now.
          if (error.message.startsWith("READONLY")) this.#drop(link);
          throw redisRefusal(what, error.message);
        }
        this.#drop(link);
        if (resent || this.#closed) throw this.#lost(error);
      }
    }
  }

  /** A connection that is ready, made within the deadline. */
  async #connected(end: number): Promise<RespLink> {
    let failure: unknown = null;
    while (true) {
      if (this.#closed) throw storeUnavailable("The connection to Redis was closed", "closed");
      this.#link ??= new RespLink(this.#address, this.#caCerts, this.#deadlineMs);
      const link = this.#link;
      if (link.isReady) return link;
      try {
        if (await before(link.ready, end, this.#clock) !== LATE) return link;
        this.#drop(link);
        if (failure !== null) throw this.#lost(failure);
        throw storeUnavailable("Redis could not be reached in time", "timeout");
      } catch (error) {
        if (error instanceof SynthError) throw error;
        failure = error;
        this.#drop(link);
        if (isReply(error)) throw redisRefusal("the handshake", error.message);
        const pause = 20 + this.#random() * 80;
        if (this.#clock.monotonic() + pause >= end) throw this.#lost(error);
        await this.#clock.sleep(pause);
      }
    }
  }

  #drop(link: RespLink): void {
    if (this.#link === link) this.#link = null;
    link.close();
  }

  #lost(error: unknown): SynthError {
    const code = (error as { code?: unknown } | null)?.code;
    const why = typeof code === "string" ? ` (${code})` : "";
    return storeUnavailable(`The connection to Redis failed${why}`, "network");
  }

  #hashOf(script: RedisScript): string {
    let hash = this.#hashes.get(script);
    if (hash === undefined) {
      hash = createHash("sha1").update(script.lua).digest("hex");
      this.#hashes.set(script, hash);
    }
    return hash;
  }
}

function isReply(error: unknown): error is Error {
  return error instanceof Error && error.name === "ReplyError";
}

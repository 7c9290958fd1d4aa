/** One connection to a Redis, used until it breaks and never repaired. @module */
import { isIP } from "node:net";
import { rootCertificates } from "node:tls";
import { Redis } from "ioredis";
import type { RedisAddress } from "./redis_url.ts";

/** A connection over ioredis with its own recovery switched off: the transport decides what is sent again. */
export class RespLink {
  readonly redis: Redis;
  /** Resolves when commands can be sent; rejects with the first error of connecting or of the handshake. */
  readonly ready: Promise<void>;
  /** Monotonic time of the last reply. */
  lastReply = -Infinity;
  readonly #ended: Promise<void>;
  #opened = false;

  constructor(address: RedisAddress, caCerts: readonly string[], connectTimeoutMs: number) {
    const redis = new Redis({
      host: address.host,
      port: address.port,
      db: address.db,
      ...(address.username === null ? {} : { username: address.username }),
      ...(address.password === null ? {} : { password: address.password }),
      ...(address.tls ? { tls: tlsOptions(address.host, caCerts) } : {}),
      protocol: 2,
      connectTimeout: connectTimeoutMs,
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      autoResubscribe: false,
      disableClientInfo: true,
      maxRetriesPerRequest: 0,
      retryStrategy: null,
    });
    this.redis = redis;
    this.#ended = new Promise((resolve) => redis.once("end", resolve));
    this.ready = new Promise((resolve, reject) => {
      // A refused AUTH or SELECT is an event only; without this the connection would work on in database 0.
      redis.on("error", reject);
      redis.once("end", () => reject(new Error("Connection is closed")));
      redis.connect().then(() => resolve(), reject);
    });
    this.ready.then(() => this.#opened = true, () => {});
  }

  /** Whether commands can be sent at once. */
  get isReady(): boolean {
    return this.#opened && this.redis.status === "ready";
  }

  /** Ends the connection without waiting for the peer, which may hang. Commands under way reject. */
  async close(): Promise<void> {
    if (this.redis.status === "end") return;
    this.redis.disconnect();
    this.redis.stream?.destroy();
    await this.#ended;
  }
}

function tlsOptions(host: string, caCerts: readonly string[]): Record<string, unknown> {
  return {
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caCerts.length === 0 ? {} : { ca: [...rootCertificates, ...caCerts] }),
  };
}

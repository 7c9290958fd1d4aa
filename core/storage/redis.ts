/**
 * The Redis port: all that our stores ask of a Redis, over either transport.
 *
 * Transports: `redis_resp.ts` (a TCP connection) and `redis_upstash.ts` (Upstash's REST protocol).
 *
 * @module
 */

/** A reply as both transports give it: no automatic JSON decoding, integers as numbers. */
export type RedisReply = null | number | string | RedisReply[];

/** A Lua script and the SHA-1 that EVALSHA knows it by. */
export interface RedisScript {
  /** For messages and metrics. */
  readonly name: string;
  /** The body, without a shebang: the transport adds the line that its server needs. */
  readonly lua: string;
}

/**
 * The port. Every verb rejects with a `SynthError`: `store_unavailable` (503, `details.reason`) when the server cannot serve in
 * time, `store_error` (500) when it refuses the command itself, `store_request_too_large` (413) over Upstash's limit.
 */
export interface RedisPort {
  /** Which transport this is, for logs and `doctor`. */
  readonly transport: "resp" | "upstash";
  /**
   * Runs a script atomically: EVALSHA, then EVAL when the server does not know it.
   * A transport may send it twice after a network error, so scripts must be idempotent by an id in `args`.
   */
  script(
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
  ): Promise<RedisReply>;
  /**
   * Sends commands in one round trip, in order, not atomically. One failed command rejects the whole call.
   * May be sent twice too, so send only what can be.
   */
  pipeline(commands: readonly (readonly string[])[]): Promise<RedisReply[]>;
  /** Ends the connection. */
  close(): Promise<void>;
}

/** The parts of a `REDIS_URL`. @module */
import { SynthError } from "../errors.ts";

/** Where a Redis is and how to enter it. */
export interface RedisAddress {
  host: string;
  port: number;
  username: string | null;
  password: string | null;
  db: number;
  tls: boolean;
}

/**
 * Reads `redis://[user[:password]@]host[:port][/db]` or `rediss://...`.
 *
 * @throws {SynthError} `invalid_store_url`; the message never repeats the URL, which can hold a password
 */
export function parseRedisUrl(text: string): RedisAddress {
  if (!URL.canParse(text)) throw invalid("it cannot be parsed");
  const url = new URL(text);
  if (url.protocol !== "redis:" && url.protocol !== "rediss:") {
    throw invalid("its scheme is another");
  }
  if (url.hostname === "") throw invalid("it names no host");
  const path = url.pathname.replace(/^\//, "");
  if (!/^\d{0,5}$/.test(path)) throw invalid("its path is not a database number");
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 6379 : Number(url.port),
    username: url.username === "" ? null : decode(url.username),
    password: url.password === "" ? null : decode(url.password),
    db: Number(path),
    tls: url.protocol === "rediss:",
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("its user or password is not percent-encoded");
  }
}

function invalid(why: string): SynthError {
  return new SynthError(`The Redis URL is not valid: ${why}`, {
    code: "invalid_store_url",
    status: 500,
    exitCode: 2,
    hint: "Write it as redis://user:password@host:6379/0, or rediss:// for TLS",
  });
}

/** Opens the stores that the configuration names. @module */
import { EXIT, SynthError } from "@synth/core";
import type { Environment, SynthConfig } from "@synth/core/config";
import type { RedisPort } from "@synth/core/storage";
import type { Stores } from "@synth/gateway/deno";

/** Where a Redis is when nothing says so. */
const DEFAULT_REDIS_URL = "redis://localhost:6379/0";

/**
 * Opens the store and makes sure that it answers.
 *
 * @param files the databases' files, for `store = "sqlite"`
 * @throws {SynthError} `store_unavailable` (exit code 69), `store_not_configured` or `invalid_store_url` (2)
 */
export async function openStores(
  config: SynthConfig,
  env: Environment,
  files: { readonly state: string; readonly ledger: string },
): Promise<Stores> {
  const { openSqliteStores, redisStores } = await import("@synth/gateway/deno");
  if (config.gateway.store === "sqlite") return await openSqliteStores(files);
  const deadlineMs = config.gateway.store_deadline_s * 1000;
  const redis = config.gateway.store === "redis"
    ? await openRedis(env, deadlineMs)
    : await openUpstash(env, deadlineMs);
  const stores = redisStores(redis);
  try {
    await stores.ping();
  } catch (error) {
    await stores.close();
    throw error;
  }
  return stores;
}

async function openRedis(env: Environment, deadlineMs: number): Promise<RedisPort> {
  const { RespTransport } = await import("@synth/core/storage/resp");
  return new RespTransport({ url: env.REDIS_URL || DEFAULT_REDIS_URL, deadlineMs });
}

async function openUpstash(env: Environment, deadlineMs: number): Promise<RedisPort> {
  const url = env.UPSTASH_REDIS_REST_URL;
  const token = env.UPSTASH_REDIS_REST_TOKEN;
  if (!url || !token) {
    throw new SynthError('store = "upstash" needs an address and a token', {
      code: "store_not_configured",
      hint: "Set UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN",
      exitCode: EXIT.usage,
    });
  }
  const { UpstashTransport } = await import("@synth/core/storage/upstash");
  return new UpstashTransport({ url, token, deadlineMs });
}

/** Opens the stores that the configuration names. @module */
import { EXIT, SynthError } from "@synth/core";
import type { Environment, SynthConfig } from "@synth/core/config";
import type { DocumentStore, RedisPort } from "@synth/core/storage";

/** Everything that holds state. */
export interface Stores {
  readonly documents: DocumentStore;
  /** Rejects when the store cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** Where a Redis is when nothing says so. */
const DEFAULT_REDIS_URL = "redis://localhost:6379/0";

/**
 * Opens the store and makes sure that it answers.
 *
 * @param sqlitePath the database's file, for `store = "sqlite"`
 * @throws {SynthError} `store_unavailable` (exit code 69), `store_not_configured` or `invalid_store_url` (2)
 */
export async function openStores(
  config: SynthConfig,
  env: Environment,
  sqlitePath: string,
): Promise<Stores> {
  if (config.gateway.store === "sqlite") return await openSqliteStores(sqlitePath);
  const redis = config.gateway.store === "redis" ? await openRedis(env) : await openUpstash(env);
  const { RedisDocumentStore } = await import("@synth/core/storage");
  const ping = async (): Promise<void> => {
    await redis.pipeline([["PING"]]);
  };
  try {
    await ping();
  } catch (error) {
    await redis.close();
    throw error;
  }
  return { documents: new RedisDocumentStore(redis), ping, close: () => redis.close() };
}

async function openSqliteStores(path: string): Promise<Stores> {
  const [{ openSqlite }, { documentMigrations, SqliteDocumentStore }] = await Promise.all([
    import("@synth/core/storage/sqlite"),
    import("@synth/core/storage"),
  ]);
  const store = await openSqlite({ path, migrations: documentMigrations });
  return {
    documents: new SqliteDocumentStore(store),
    ping: () => {
      store.read((db) => db.prepare("SELECT 1").get());
      return Promise.resolve();
    },
    close: () => store.close(),
  };
}

async function openRedis(env: Environment): Promise<RedisPort> {
  const { RespTransport } = await import("@synth/core/storage/resp");
  return new RespTransport({ url: env.REDIS_URL || DEFAULT_REDIS_URL });
}

async function openUpstash(env: Environment): Promise<RedisPort> {
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
  return new UpstashTransport({ url, token });
}

/**
 * The storage ports and what is common to their adapters. The adapters with a runtime's weight have entries of their own:
 * `@synth/core/storage/sqlite`, `@synth/core/storage/resp` and `@synth/core/storage/upstash`.
 *
 * @module
 */
export type { RedisPort, RedisReply, RedisScript } from "./redis.ts";
export type { Migration, SqliteOptions, SqliteStore } from "./sqlite.ts";
export type {
  DeleteOptions,
  Document,
  DocumentStore,
  ListOptions,
  Page,
  PutOptions,
} from "./document_store.ts";
export { RedisDocumentStore, type RedisDocumentStoreOptions } from "./document_store_redis.ts";
export {
  documentMigrations,
  SqliteDocumentStore,
  type SqliteDocumentStoreOptions,
} from "./document_store_sqlite.ts";
export { type StoreTrouble, storeUnavailable } from "./unavailable.ts";

/** The stores of a gateway as one thing: documents and the ledger, on one Redis. @module */
import { type DocumentStore, RedisDocumentStore, type RedisPort } from "@synth/core/storage";
import type { SessionLedger } from "../sessions/ledger/ledger.ts";
import { RedisLedger } from "../sessions/ledger/ledger_redis.ts";

/** Everything that holds state. */
export interface Stores {
  readonly documents: DocumentStore;
  readonly ledger: SessionLedger;
  /** Rejects when the store cannot be reached. */
  ping(): Promise<void>;
  /** Closes documents and ledger. */
  close(): Promise<void>;
}

/** The stores on a Redis, over either transport. */
export function redisStores(redis: RedisPort): Stores {
  return {
    documents: new RedisDocumentStore(redis),
    ledger: new RedisLedger(redis),
    async ping() {
      await redis.pipeline([["PING"]]);
    },
    close: () => redis.close(),
  };
}

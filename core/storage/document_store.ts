/**
 * The port for everything that is a JSON document of an org: responses, artifacts, keys, registry entries, tunnels.
 * Adapters: `document_store_sqlite.ts`, `document_store_redis.ts`; one contract test for both.
 *
 * @module
 */
import type { Json } from "../errors.ts";

/** A stored document. */
export interface Document {
  readonly org: string;
  readonly collection: string;
  readonly id: string;
  readonly value: Json;
  /** Starts at 1, grows by 1 with every write. */
  readonly version: number;
  /** The value of the one index of this document. */
  readonly index: string | null;
  /** Milliseconds since the epoch, the store's clock. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** When it disappears. */
  readonly expiresAt: number | null;
}

/** How a document is written. */
export interface PutOptions {
  /** `0`: must not exist. `n`: must stand at that version. Absent: whatever is there. */
  ifVersion?: number;
  /** Time to live in milliseconds. Absent: keeps the document's expiry; `null`: never expires. */
  ttlMs?: number | null;
  /** Value of the index, for {@linkcode DocumentStore.list}. Absent: keeps it; `null`: none. */
  index?: string | null;
}

/** Which documents {@linkcode DocumentStore.list} gives. */
export interface ListOptions {
  /** Only documents with this index value. */
  index?: string;
  /** At most this many, 1 to 1000. @default {100} */
  limit?: number;
  /** Where the page before ended. */
  cursor?: string;
  /** @default {"newest"} by creation. */
  order?: "newest" | "oldest";
}

/** A page of documents. */
export interface Page {
  readonly documents: readonly Document[];
  /** `null` when this is the last page. */
  readonly cursor: string | null;
}

/** The port. */
export interface DocumentStore {
  get(org: string, collection: string, id: string): Promise<Document | null>;
  /** Several at once, in one round trip, in the order asked, `null` for what is not there. */
  getMany(org: string, collection: string, ids: readonly string[]): Promise<(Document | null)[]>;
  /**
   * Writes a document whole. Returns it, or `null` when `ifVersion` did not hold.
   * Safe to send twice: a second identical write with `ifVersion` finds its own value and answers as the first did.
   */
  put(
    org: string,
    collection: string,
    id: string,
    value: Json,
    options?: PutOptions,
  ): Promise<Document | null>;
  /** Returns whether something was deleted (and stood at `ifVersion`, when given). */
  delete(
    org: string,
    collection: string,
    id: string,
    options?: { ifVersion?: number },
  ): Promise<boolean>;
  list(org: string, collection: string, options?: ListOptions): Promise<Page>;
}

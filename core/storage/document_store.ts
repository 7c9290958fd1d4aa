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
  /** Value of the index, for {@linkcode DocumentStore.list}: 1 to 256 characters. Absent: keeps it; `null`: none. */
  index?: string | null;
  /**
   * Names this write, 1 to 128 characters: one that is sent again with the same id within two minutes changes nothing and
   * answers as the first did. For callers that try again after `store_unavailable`. @default {a random one for each call}
   */
  writeId?: string;
}

/** How a document is deleted. */
export interface DeleteOptions {
  /** Only when it stands at that version. */
  ifVersion?: number;
  /** As in {@linkcode PutOptions}. */
  writeId?: string;
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

/**
 * The port.
 *
 * Names are checked before they reach a store: `org` and `collection` are 1 to 64 of `[A-Za-z0-9_.-]`, an `id` is 1 to 256
 * visible ASCII characters. Every verb rejects with a `SynthError`: `invalid_document_name` (400), `document_too_large`
 * (413) or `store_unavailable` (503).
 */
export interface DocumentStore {
  get(org: string, collection: string, id: string): Promise<Document | null>;
  /** Several at once, in one round trip, in the order asked, `null` for what is not there. */
  getMany(org: string, collection: string, ids: readonly string[]): Promise<(Document | null)[]>;
  /**
   * Writes a document whole. Returns it, or `null` when `ifVersion` did not hold.
   * A transport may send it twice; the store knows the second by its write id.
   */
  put(
    org: string,
    collection: string,
    id: string,
    value: Json,
    options?: PutOptions,
  ): Promise<Document | null>;
  /** Returns whether something was deleted (and stood at `ifVersion`, when given). */
  delete(org: string, collection: string, id: string, options?: DeleteOptions): Promise<boolean>;
  /** Documents in the order of their creation; what is created meanwhile neither doubles nor hides another. */
  list(org: string, collection: string, options?: ListOptions): Promise<Page>;
  /** How many there are, of one index value or of all. */
  count(org: string, collection: string, options?: { index?: string }): Promise<number>;
}

import { type Clock, systemClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { newId } from "../ids.ts";
import type { Document, DocumentStore } from "../storage/document_store.ts";
import { equalHashes, hashKey, hasKeyShape, newKey } from "./key.ts";
import { decodeRecord, encodeRecord, type KeyRecord } from "./key_record.ts";
import { isScope, type KeyLimit, type Scope } from "./principal.ts";

/** A key to be made. */
export interface NewKey {
  /** 1 to 64 of `[A-Za-z0-9_.-]`, not beginning with `_`. */
  org: string;
  /** 1 to 128 of `[A-Za-z0-9_.@:-]`. */
  user: string;
  scopes: Iterable<Scope>;
  /** At most 100 characters. @default {""} */
  name?: string;
  /** Milliseconds since the epoch. @default {null: never} */
  expiresAt?: number | null;
  /** @default {none} */
  limits?: readonly KeyLimit[];
  /** 0 to 1 000 000. @default {null: the gateway's default} */
  requestsPerMinute?: number | null;
  /** 0 to 100 000. @default {null: the gateway's default} */
  maxStreams?: number | null;
}

/** A key that was just made. The text is shown here and never again. */
export interface MadeKey {
  readonly key: string;
  readonly record: KeyRecord;
}

/** A page of keys. */
export interface KeyPage {
  readonly keys: readonly KeyRecord[];
  /** `null` when this is the last page. */
  readonly cursor: string | null;
}

interface Stored {
  readonly document: Document;
  readonly record: KeyRecord;
}

const ORG = "_system";
const COLLECTION = "keys";
const DAY_MS = 24 * 3600 * 1000;
/** How long a key that has ended is remembered, so that its owner is told so. */
const MEMORY_MS = 30 * DAY_MS;
const PAGE = 1000;
const TRIES = 20;

/** The keys of all orgs, over a {@linkcode DocumentStore}. Only SHA-256 hashes are stored. */
export class KeyStore {
  readonly #store: DocumentStore;
  readonly #clock: Clock;
  readonly #listeners = new Set<(hash: string) => void>();

  /** @param options `clock` defaults to the machine's */
  constructor(store: DocumentStore, options: { clock?: Clock } = {}) {
    this.#store = store;
    this.#clock = options.clock ?? systemClock;
  }

  /** Calls `fn` with the hash of every key that this instance makes, rotates or revokes, before the caller hears of it. Returns how to stop. */
  onChange(fn: (hash: string) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  /**
   * Makes a key.
   *
   * @throws {SynthError} 400 `invalid_key_options`; 503 when the store is down
   */
  async create(options: NewKey): Promise<MadeKey> {
    return await this.#add(this.#fields(options));
  }

  /**
   * Takes up a key that {@linkcode newKey} made elsewhere, such as the one in a file that was there before this store. One that is known
   * stays as it is, ended or not. Of callers that take up the same key at the same time all get the same record.
   *
   * @throws {SynthError} 400 `invalid_key_options`; 503 when the store is down
   */
  async adopt(key: string, options: NewKey): Promise<KeyRecord> {
    check(hasKeyShape(key), "text");
    const hash = hashKey(key);
    const known = await this.lookup(hash);
    if (known !== null) return known;
    const record: KeyRecord = { ...this.#fields(options), hash, hint: key.slice(-4) };
    if (await this.#put(record)) return record;
    return await this.lookup(hash) ?? record;
  }

  #fields(options: NewKey): Omit<KeyRecord, "hash" | "hint"> {
    const now = this.#clock.now();
    const { org, user, name = "", expiresAt = null, limits = [] } = options;
    const { requestsPerMinute = null, maxStreams = null } = options;
    const scopes = [...new Set(options.scopes)];
    check(/^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/.test(org), "org");
    check(/^[A-Za-z0-9_.@:-]{1,128}$/.test(user), "user");
    check(name.length <= 100, "name");
    check(scopes.length > 0 && scopes.every(isScope), "scopes");
    check(expiresAt === null || (Number.isSafeInteger(expiresAt) && expiresAt > now), "expiresAt");
    check(isCount(requestsPerMinute, 1_000_000), "requestsPerMinute");
    check(isCount(maxStreams, 100_000), "maxStreams");
    const rest = {
      keyId: newId("key_"),
      org,
      user,
      name,
      scopes,
      limits,
      requestsPerMinute,
      maxStreams,
      createdAt: now,
      expiresAt,
    };
    return { ...rest, revokedAt: null, replacedAt: null };
  }

  /** The record of the key with this hash; `null` when there is none. Ended ones are given too: look at their times. */
  async lookup(hash: string): Promise<KeyRecord | null> {
    const found = await this.#store.get(ORG, COLLECTION, hash);
    if (found === null) return null;
    const record = decodeRecord(found.value);
    return equalHashes(record.hash, hash) ? record : null;
  }

  /** The keys of an org, newest first. Records that cannot be read are left out. */
  async list(org: string, options: { limit?: number; cursor?: string } = {}): Promise<KeyPage> {
    const { limit = 100, cursor } = options;
    const page = await this.#store.list(ORG, COLLECTION, {
      index: org,
      limit,
      ...(cursor === undefined ? {} : { cursor }),
    });
    return { keys: readable(page.documents).map(({ record }) => record), cursor: page.cursor };
  }

  /**
   * Puts a new key in the place of one: same id, owner, scopes, limits and expiry.
   *
   * @param options `graceMs`: how long the old one still works. @default {0}
   * @throws {SynthError} 404 `key_not_found`: there is no such key, or it has ended
   */
  async rotate(org: string, keyId: string, options: { graceMs?: number } = {}): Promise<MadeKey> {
    const { graceMs = 0 } = options;
    check(Number.isSafeInteger(graceMs) && graceMs >= 0, "graceMs");
    for (let tried = 0; tried < TRIES; tried++) {
      // More than one when a rotation broke off before it ended the old key: all of them go.
      const old = (await this.#find(org, keyId)).filter(({ record }) =>
        record.replacedAt === null && this.#works(record)
      );
      const [latest] = old;
      if (latest === undefined) break;
      const now = this.#clock.now();
      const made = await this.#add({ ...latest.record, createdAt: now });
      let ended = 0;
      for (const { document, record } of old) {
        if (await this.#replace(document, endOf(record, now, graceMs))) ended++;
      }
      if (ended === old.length) return made;
      // Someone revoked or rotated it meanwhile: the key that nobody has seen goes, and the world is looked at anew.
      await this.#store.delete(ORG, COLLECTION, made.record.hash);
    }
    throw notFound();
  }

  /**
   * Ends a key, with those that it replaced: at once in this process, elsewhere when caches run out.
   *
   * @returns whether there was one that worked
   */
  async revoke(org: string, keyId: string): Promise<boolean> {
    let revoked = false;
    for (let tried = 0; tried < TRIES; tried++) {
      const working = (await this.#find(org, keyId)).filter(({ record }) => this.#works(record));
      if (working.length === 0) return revoked;
      for (const { document, record } of working) {
        const ended = { ...record, revokedAt: this.#clock.now() };
        if (await this.#replace(document, ended)) revoked = true;
      }
    }
    throw new SynthError("The key keeps changing while it is revoked", {
      code: "key_busy",
      status: 409,
      hint: "Try again",
    });
  }

  #works(record: KeyRecord): boolean {
    const { revokedAt, expiresAt } = record;
    return revokedAt === null && (expiresAt === null || expiresAt > this.#clock.now());
  }

  async #add(fields: Omit<KeyRecord, "hash" | "hint">): Promise<MadeKey> {
    const key = newKey();
    const record: KeyRecord = { ...fields, hash: hashKey(key), hint: key.slice(-4) };
    if (!await this.#put(record)) {
      throw new SynthError("The random source repeats itself", { code: "no_entropy" });
    }
    return { key, record };
  }

  /** Whether it was new. */
  async #put(record: KeyRecord): Promise<boolean> {
    const put = await this.#store.put(ORG, COLLECTION, record.hash, encodeRecord(record), {
      ifVersion: 0,
      index: record.org,
      ttlMs: this.#timeToLive(record),
    });
    this.#changed(record.hash);
    return put !== null;
  }

  async #replace(document: Document, record: KeyRecord): Promise<boolean> {
    const put = await this.#store.put(ORG, COLLECTION, record.hash, encodeRecord(record), {
      ifVersion: document.version,
      ttlMs: this.#timeToLive(record),
    });
    // Also when it was another who changed it: what is cached here is old either way.
    this.#changed(record.hash);
    return put !== null;
  }

  #timeToLive(record: KeyRecord): number | null {
    const { expiresAt, revokedAt } = record;
    if (expiresAt === null && revokedAt === null) return null;
    const end = Math.min(expiresAt ?? Infinity, revokedAt ?? Infinity);
    return Math.max(1, end + MEMORY_MS - this.#clock.now());
  }

  async #find(org: string, keyId: string): Promise<Stored[]> {
    const found: Stored[] = [];
    let cursor: string | null = null;
    do {
      const page = await this.#store.list(ORG, COLLECTION, {
        index: org,
        limit: PAGE,
        ...(cursor === null ? {} : { cursor }),
      });
      found.push(...readable(page.documents).filter(({ record }) => record.keyId === keyId));
      cursor = page.cursor;
    } while (cursor !== null);
    return found;
  }

  #changed(hash: string): void {
    for (const listener of this.#listeners) listener(hash);
  }
}

/** How a record ends when another key takes its place. */
function endOf(record: KeyRecord, now: number, graceMs: number): KeyRecord {
  if (graceMs === 0) return { ...record, replacedAt: now, revokedAt: now };
  const until = now + graceMs;
  return { ...record, replacedAt: now, expiresAt: Math.min(record.expiresAt ?? until, until) };
}

/** A record that cannot be read opens no door; it must not keep the others from being listed and revoked. */
function readable(documents: readonly Document[]): Stored[] {
  const found: Stored[] = [];
  for (const document of documents) {
    try {
      found.push({ document, record: decodeRecord(document.value) });
    } catch {
      continue;
    }
  }
  return found;
}

function isCount(value: number | null, most: number): boolean {
  return value === null || (Number.isSafeInteger(value) && value >= 0 && value <= most);
}

function check(holds: boolean, param: string): void {
  if (holds) return;
  throw new SynthError(`The key's ${param} is not valid`, {
    code: "invalid_key_options",
    status: 400,
    param,
  });
}

function notFound(): SynthError {
  return new SynthError("There is no such key", { code: "key_not_found", status: 404 });
}

/** Documents in a Redis, over either transport. @module */
import { type Json, SynthError } from "../errors.ts";
import {
  checkIndex,
  checkNames,
  checkPut,
  cursorAfter,
  MAX_DOCUMENT_BYTES,
  readList,
  unwrapValue,
  wrapValue,
  WRITE_MEMORY_MS,
} from "./document_rules.ts";
import { countScript, deleteScript, listScript, putScript } from "./document_scripts.ts";
import type {
  DeleteOptions,
  Document,
  DocumentStore,
  ListOptions,
  Page,
  PutOptions,
} from "./document_store.ts";
import type { RedisPort, RedisReply } from "./redis.ts";

/** Documents that are fetched in one round trip; for more there are several at once. */
const FETCH = 1024;
const FIELDS = ["e", "v", "i", "c", "u", "x", "s"] as const;

/** Options of {@linkcode RedisDocumentStore}. */
export interface RedisDocumentStoreOptions {
  /** Largest value, in bytes of JSON. Upstash's plans limit a whole request, escapes included. @default {8_388_608} */
  maxBytes?: number;
}

/** A document with its place in the list. */
interface Found {
  readonly document: Document;
  readonly sequence: string;
}

/** {@linkcode DocumentStore} over a {@linkcode RedisPort}. Time is the server's. */
export class RedisDocumentStore implements DocumentStore {
  readonly #redis: RedisPort;
  readonly #maxBytes: number;

  constructor(redis: RedisPort, options: RedisDocumentStoreOptions = {}) {
    this.#redis = redis;
    this.#maxBytes = options.maxBytes ?? MAX_DOCUMENT_BYTES;
  }

  async get(org: string, collection: string, id: string): Promise<Document | null> {
    const [found = null] = await this.getMany(org, collection, [id]);
    return found;
  }

  async getMany(
    org: string,
    collection: string,
    ids: readonly string[],
  ): Promise<(Document | null)[]> {
    checkNames(org, collection, ids);
    const found = await this.#fetch(org, collection, ids);
    return found.map((one) => one?.document ?? null);
  }

  async put(
    org: string,
    collection: string,
    id: string,
    value: Json,
    options: PutOptions = {},
  ): Promise<Document | null> {
    checkNames(org, collection, [id]);
    checkPut(options);
    const { ifVersion, ttlMs, index } = options;
    const envelope = wrapValue(value, this.#maxBytes);
    const reply = await this.#redis.script(
      putScript,
      writeKeys(org, collection, id, "put", options.writeId),
      [
        id,
        envelope,
        ifVersion === undefined ? "" : String(ifVersion),
        index === undefined ? "k" : index === null ? "n" : `s${index}`,
        ttlMs === undefined ? "k" : ttlMs === null ? "n" : String(Math.ceil(ttlMs)),
        String(WRITE_MEMORY_MS),
      ],
    );
    const [done, version, created, updated, expires, indexed] = textOf(reply).split("\0");
    if (done !== "1") return null;
    return {
      org,
      collection,
      id,
      value: unwrapValue(envelope),
      version: Number(version),
      index: indexed || null,
      createdAt: Number(created),
      updatedAt: Number(updated),
      expiresAt: expires ? Number(expires) : null,
    };
  }

  async delete(
    org: string,
    collection: string,
    id: string,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    checkNames(org, collection, [id]);
    checkPut(options);
    const { ifVersion, writeId } = options;
    const reply = await this.#redis.script(
      deleteScript,
      writeKeys(org, collection, id, "delete", writeId),
      [id, ifVersion === undefined ? "" : String(ifVersion), String(WRITE_MEMORY_MS)],
    );
    return textOf(reply) === "1";
  }

  async list(org: string, collection: string, options: ListOptions = {}): Promise<Page> {
    checkNames(org, collection);
    const { limit, after, newest } = readList(options);
    const documents: Document[] = [];
    let last = after;
    while (true) {
      const want = limit - documents.length;
      const places = await this.#places(org, collection, options.index, newest, last, want + 1);
      const wanted = places.slice(0, want);
      const found = await this.#fetch(org, collection, wanted.map((place) => place.id));
      for (const [i, place] of wanted.entries()) {
        last = place.sequence;
        const one = found[i];
        // Gone, made anew or moved to another index value since the list was read.
        if (!one || one.sequence !== place.sequence) continue;
        if (options.index !== undefined && one.document.index !== options.index) continue;
        documents.push(one.document);
      }
      const more = places.length > want;
      if (!more) return { documents, cursor: null };
      if (documents.length === limit && last !== null) {
        return { documents, cursor: cursorAfter(last, newest) };
      }
    }
  }

  async count(
    org: string,
    collection: string,
    options: { index?: string } = {},
  ): Promise<number> {
    checkNames(org, collection);
    if (options.index !== undefined) checkIndex(options.index);
    const [low, high] = bounds(options.index, true, null);
    while (true) {
      const reply = await this.#redis.script(countScript, listKeys(org, collection), [low, high]);
      const [count, more] = Array.isArray(reply) ? reply : [];
      if (more !== 1) return Number(count);
    }
  }

  async #places(
    org: string,
    collection: string,
    index: string | undefined,
    newest: boolean,
    after: string | null,
    limit: number,
  ): Promise<{ sequence: string; id: string }[]> {
    const reply = await this.#redis.script(listScript, listKeys(org, collection), [
      newest ? "newest" : "oldest",
      ...bounds(index, newest, after),
      String(limit),
    ]);
    return (Array.isArray(reply) ? reply : []).map((member) => {
      const [, sequence = "", id = ""] = textOf(member).split("\0");
      return { sequence, id };
    });
  }

  async #fetch(
    org: string,
    collection: string,
    ids: readonly string[],
  ): Promise<(Found | null)[]> {
    const parts: Promise<readonly RedisReply[]>[] = [];
    for (let start = 0; start < ids.length; start += FETCH) {
      parts.push(this.#redis.pipeline(
        ids.slice(start, start + FETCH)
          .map((id) => ["HMGET", documentKey(org, collection, id), ...FIELDS]),
      ));
    }
    const replies = (await Promise.all(parts)).flat();
    return ids.map((id, i) => readHash(org, collection, id, replies[i] ?? null));
  }
}

function documentKey(org: string, collection: string, id: string): string {
  return `synth:v1:{${org}}:doc:${collection}:${id}`;
}

function listKeys(org: string, collection: string): [list: string, expiries: string] {
  return [`synth:v1:{${org}}:doclist:${collection}`, `synth:v1:{${org}}:docexp:${collection}`];
}

function writeKeys(
  org: string,
  collection: string,
  id: string,
  verb: "put" | "delete",
  writeId: string = crypto.randomUUID(),
): string[] {
  const write =
    `synth:v1:{${org}}:docwrite:${verb}:${writeId.length}:${writeId}:${collection}:${id}`;
  return [documentKey(org, collection, id), ...listKeys(org, collection), write];
}

/** The part of the list that is asked for, as bounds of ZRANGEBYLEX. */
function bounds(
  index: string | undefined,
  newest: boolean,
  after: string | null,
): [low: string, high: string] {
  const prefix = index === undefined ? "a" : `i${index}`;
  let low = `[${prefix}\0`;
  let high = `(${prefix}\x01`;
  if (after !== null && newest) high = `(${prefix}\0${after}`;
  if (after !== null && !newest) low = `(${prefix}\0${after}\x01`;
  return [low, high];
}

function readHash(org: string, collection: string, id: string, reply: RedisReply): Found | null {
  if (!Array.isArray(reply) || reply[0] === null || reply[0] === undefined) return null;
  const [envelope, version, index, created, updated, expires, sequence] = reply.map(textOf);
  const document = {
    org,
    collection,
    id,
    value: unwrapValue(envelope ?? ""),
    version: Number(version),
    index: index || null,
    createdAt: Number(created),
    updatedAt: Number(updated),
    expiresAt: expires ? Number(expires) : null,
  };
  return { document, sequence: sequence ?? "" };
}

function textOf(reply: RedisReply): string {
  if (typeof reply === "string") return reply;
  throw new SynthError("Redis gave a reply of another kind than the script makes", {
    code: "store_error",
  });
}

/** Documents in a SQLite file. @module */
import type { DatabaseSync } from "node:sqlite";
import { type Clock, systemClock } from "../clock.ts";
import type { Json } from "../errors.ts";
import {
  checkIndex,
  checkNames,
  checkPut,
  cursorAfter,
  MAX_DOCUMENT_BYTES,
  padSequence,
  readList,
  unwrapValue,
  wrapValue,
  WRITE_MEMORY_MS,
} from "./document_rules.ts";
import type {
  DeleteOptions,
  Document,
  DocumentStore,
  ListOptions,
  Page,
  PutOptions,
} from "./document_store.ts";
import type { Migration, SqliteStore } from "./sqlite.ts";
import { statement } from "./sqlite_statements.ts";

/** The schema that {@linkcode SqliteDocumentStore} needs; open its file with these. */
export const documentMigrations: readonly Migration[] = [{
  version: 1,
  sql: `
    CREATE TABLE documents (
      seq INTEGER PRIMARY KEY AUTOINCREMENT,
      org TEXT NOT NULL,
      collection TEXT NOT NULL,
      id TEXT NOT NULL,
      value TEXT NOT NULL,
      version INTEGER NOT NULL,
      idx TEXT,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      expires_at INTEGER
    ) STRICT;
    CREATE UNIQUE INDEX documents_by_id ON documents (org, collection, id);
    CREATE INDEX documents_by_creation ON documents (org, collection, seq);
    CREATE INDEX documents_by_index ON documents (org, collection, idx, seq) WHERE idx IS NOT NULL;
    CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;
    CREATE TABLE document_writes (
      org TEXT NOT NULL,
      write_id TEXT NOT NULL,
      answer TEXT NOT NULL,
      expires_at INTEGER NOT NULL,
      PRIMARY KEY (org, write_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX document_writes_by_expiry ON document_writes (expires_at);`,
}];

/** Expired rows that one write clears away: enough to keep up, too few to be felt. */
const SWEEP = 20;

/** Options of {@linkcode SqliteDocumentStore}. */
export interface SqliteDocumentStoreOptions {
  /** Largest value, in bytes of JSON. @default {8_388_608} */
  maxBytes?: number;
  /** @default {systemClock} */
  clock?: Clock;
}

interface Row {
  seq: number;
  id: string;
  value: string;
  version: number;
  idx: string | null;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
}

/** What a write answered, without the value, which whoever sends it again has. */
type Answer = Omit<Document, "org" | "collection" | "id" | "value"> | null | boolean;

const ALIVE = "(expires_at IS NULL OR expires_at > ?)";

/** {@linkcode DocumentStore} over one SQLite file. */
export class SqliteDocumentStore implements DocumentStore {
  readonly #store: SqliteStore;
  readonly #maxBytes: number;
  readonly #clock: Clock;

  /** @param store a file that was opened with {@linkcode documentMigrations} */
  constructor(store: SqliteStore, options: SqliteDocumentStoreOptions = {}) {
    this.#store = store;
    this.#maxBytes = options.maxBytes ?? MAX_DOCUMENT_BYTES;
    this.#clock = options.clock ?? systemClock;
  }

  async get(org: string, collection: string, id: string): Promise<Document | null> {
    const [found = null] = await this.getMany(org, collection, [id]);
    return found;
  }

  // deno-lint-ignore require-await -- a wrong name rejects, as in the other adapter
  async getMany(
    org: string,
    collection: string,
    ids: readonly string[],
  ): Promise<(Document | null)[]> {
    checkNames(org, collection, ids);
    const now = this.#clock.now();
    return this.#store.read((db) =>
      ids.map((id) => {
        const row = findRow(db, org, collection, id, now);
        return row === null ? null : documentOf(org, collection, row);
      })
    );
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
    const wrapped = wrapValue(value, this.#maxBytes);
    const answer = await this.#once(org, nameWrite("put", collection, id, options), (db, now) => {
      const old = findRow(db, org, collection, id, now);
      const version = old?.version ?? 0;
      if (options.ifVersion !== undefined && options.ifVersion !== version) return null;
      const expiresAt = options.ttlMs === undefined
        ? old?.expires_at ?? null
        : options.ttlMs === null
        ? null
        : now + Math.ceil(options.ttlMs);
      const row = {
        version: version + 1,
        index: options.index === undefined ? old?.idx ?? null : options.index,
        createdAt: old?.created_at ?? now,
        updatedAt: Math.max(now, old?.updated_at ?? 0),
        expiresAt,
      };
      if (old === null) {
        statement(db, "DELETE FROM documents WHERE org = ? AND collection = ? AND id = ?")
          .run(org, collection, id);
        statement(
          db,
          `INSERT INTO documents (value, version, idx, created_at, updated_at, expires_at, org, collection, id)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        ).run(
          ...[wrapped, row.version, row.index, row.createdAt, row.updatedAt, row.expiresAt],
          ...[org, collection, id],
        );
      } else {
        statement(
          db,
          `UPDATE documents SET value = ?, version = ?, idx = ?, updated_at = ?, expires_at = ?
           WHERE seq = ?`,
        ).run(wrapped, row.version, row.index, row.updatedAt, row.expiresAt, old.seq);
      }
      return row;
    });
    if (answer === null || typeof answer === "boolean") return null;
    return { org, collection, id, value: unwrapValue(wrapped), ...answer };
  }

  async delete(
    org: string,
    collection: string,
    id: string,
    options: DeleteOptions = {},
  ): Promise<boolean> {
    checkNames(org, collection, [id]);
    checkPut(options);
    const answer = await this.#once(
      org,
      nameWrite("delete", collection, id, options),
      (db, now) => {
        const old = findRow(db, org, collection, id, now);
        if (old === null) return false;
        if (options.ifVersion !== undefined && options.ifVersion !== old.version) return false;
        statement(db, "DELETE FROM documents WHERE seq = ?").run(old.seq);
        return true;
      },
    );
    return answer === true;
  }

  // deno-lint-ignore require-await -- a wrong name rejects, as in the other adapter
  async list(org: string, collection: string, options: ListOptions = {}): Promise<Page> {
    checkNames(org, collection);
    const { limit, after, newest } = readList(options);
    const now = this.#clock.now();
    const wheres = ["org = ?", "collection = ?", ALIVE];
    const args: (string | number)[] = [org, collection, now];
    if (options.index !== undefined) {
      wheres.push("idx = ?");
      args.push(options.index);
    }
    if (after !== null) {
      wheres.push(newest ? "seq < ?" : "seq > ?");
      args.push(Number(after));
    }
    const sql = `SELECT * FROM documents WHERE ${wheres.join(" AND ")}
      ORDER BY seq ${newest ? "DESC" : "ASC"} LIMIT ?`;
    const rows = this.#store.read((db) =>
      statement(db, sql).all(...args, limit + 1) as unknown as Row[]
    );
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return {
      documents: page.map((row) => documentOf(org, collection, row)),
      cursor: rows.length > limit && last !== undefined
        ? cursorAfter(padSequence(last.seq), newest)
        : null,
    };
  }

  // deno-lint-ignore require-await -- a wrong name rejects, as in the other adapter
  async count(
    org: string,
    collection: string,
    options: { index?: string } = {},
  ): Promise<number> {
    checkNames(org, collection);
    const { index } = options;
    if (index !== undefined) checkIndex(index);
    const sql = `SELECT count(*) AS n FROM documents
      WHERE org = ? AND collection = ? AND ${ALIVE}${index === undefined ? "" : " AND idx = ?"}`;
    const args = [org, collection, this.#clock.now(), ...(index === undefined ? [] : [index])];
    return this.#store.read((db) => Number(statement(db, sql).get(...args)?.["n"]));
  }

  /** Runs a write, or gives the answer that a write of this name got before. */
  #once(
    org: string,
    writeId: string | undefined,
    run: (db: DatabaseSync, now: number) => Answer,
  ): Promise<Answer> {
    return this.#store.write((db) => {
      const now = this.#clock.now();
      sweep(db, now);
      if (writeId === undefined) return run(db, now);
      const known = statement(
        db,
        "SELECT answer FROM document_writes WHERE org = ? AND write_id = ? AND expires_at > ?",
      ).get(org, writeId, now);
      if (known !== undefined) return JSON.parse(String(known["answer"])) as Answer;
      const answer = run(db, now);
      statement(db, "INSERT OR REPLACE INTO document_writes VALUES (?, ?, ?, ?)")
        .run(org, writeId, JSON.stringify(answer), now + WRITE_MEMORY_MS);
      return answer;
    });
  }
}

function nameWrite(
  verb: string,
  collection: string,
  id: string,
  options: DeleteOptions,
): string | undefined {
  return options.writeId && [verb, collection, id, options.writeId].join("\n");
}

function findRow(
  db: DatabaseSync,
  org: string,
  collection: string,
  id: string,
  now: number,
): Row | null {
  const row = statement(
    db,
    `SELECT * FROM documents WHERE org = ? AND collection = ? AND id = ? AND ${ALIVE}`,
  ).get(org, collection, id, now);
  return (row as unknown as Row | undefined) ?? null;
}

function sweep(db: DatabaseSync, now: number): void {
  statement(
    db,
    `DELETE FROM documents WHERE seq IN (
       SELECT seq FROM documents WHERE expires_at <= ? LIMIT ${SWEEP})`,
  ).run(now);
  statement(
    db,
    `DELETE FROM document_writes WHERE (org, write_id) IN (
       SELECT org, write_id FROM document_writes WHERE expires_at <= ? LIMIT ${SWEEP})`,
  ).run(now);
}

function documentOf(org: string, collection: string, row: Row): Document {
  return {
    org,
    collection,
    id: row.id,
    value: unwrapValue(row.value),
    version: row.version,
    index: row.idx,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
  };
}

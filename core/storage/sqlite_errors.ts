/** From what node:sqlite throws to what a caller can act on. @module */
import type { SynthError } from "../errors.ts";
import { type StoreTrouble, storeUnavailable } from "./unavailable.ts";

/** Primary result codes of SQLite that mean "the store cannot serve". */
const BY_CODE: ReadonlyMap<number, StoreTrouble> = new Map([
  [5, "busy"],
  [6, "busy"],
  [7, "full"],
  [8, "read_only"],
  [10, "io"],
  [11, "corrupt"],
  [13, "full"],
  [14, "cannot_open"],
  [26, "not_a_database"],
]);

/** Deno gives no `errcode` for errors out of `exec`, only SQLite's fixed English text. */
const BY_TEXT: readonly (readonly [string, StoreTrouble])[] = [
  ["database is locked", "busy"],
  ["database table is locked", "busy"],
  ["database schema is locked", "busy"],
  ["out of memory", "full"],
  ["attempt to write a readonly database", "read_only"],
  ["disk I/O error", "io"],
  ["database disk image is malformed", "corrupt"],
  ["database or disk is full", "full"],
  ["unable to open database file", "cannot_open"],
  ["file is not a database", "not_a_database"],
];

const SAID: Partial<Record<StoreTrouble, string>> = {
  busy: "is locked by another process",
  full: "cannot grow: the disk is full",
  read_only: "is read-only",
  io: "cannot be read or written: the disk reports an error",
  corrupt: "is damaged",
  cannot_open: "cannot be opened",
  not_a_database: "is not a SQLite database",
};

/** Names the trouble behind an error of node:sqlite; `null` for every other error (a constraint, wrong SQL). */
export function sqliteTrouble(error: unknown): StoreTrouble | null {
  if (!(error instanceof Error)) return null;
  const { code, errcode } = error as Error & { code?: unknown; errcode?: unknown };
  if (code !== "ERR_SQLITE_ERROR") return null;
  if (typeof errcode === "number") return BY_CODE.get(errcode & 0xff) ?? null;
  return BY_TEXT.find(([text]) => error.message.startsWith(text))?.[1] ?? null;
}

/** Turns an error of node:sqlite into `store_unavailable` where it is one; gives every other error back as it is. */
export function sqliteError(error: unknown, file: string): unknown {
  const trouble = sqliteTrouble(error);
  return trouble === null ? error : sqliteUnavailable(file, trouble, error);
}

/** The `store_unavailable` error for a file, which is named without its folder. */
export function sqliteUnavailable(
  file: string,
  trouble: StoreTrouble,
  cause?: unknown,
): SynthError {
  return storeUnavailable(`The store "${file}" ${SAID[trouble] ?? trouble}`, trouble, cause);
}

/** What both adapters of the document store check, and how a value is wrapped. @module */
import { type Json, SynthError } from "../errors.ts";
import type { ListOptions, PutOptions } from "./document_store.ts";

/** Version of the envelope around each stored value; a reader takes this one and the one before. */
const ENVELOPE_VERSION = 1;
/** The default limit of a stored value, in bytes of JSON. */
export const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;
/** How long a write's answer is kept for the same write sent again, in milliseconds. */
export const WRITE_MEMORY_MS = 120_000;

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
const VISIBLE = /^[\x21-\x7e]{1,256}$/;
// deno-lint-ignore no-control-regex -- control characters are what it refuses
const CONTROL = /[\x00-\x1f\x7f]/;

/** Refuses names that are not safe as parts of a key. */
export function checkNames(org: string, collection: string, ids: readonly string[] = []): void {
  if (!NAME.test(org)) throw invalid("org");
  if (!NAME.test(collection)) throw invalid("collection");
  if (!ids.every((id) => typeof id === "string" && VISIBLE.test(id))) throw invalid("id");
}

/** Refuses what a put cannot mean. */
export function checkPut(options: PutOptions): void {
  const { ifVersion, ttlMs, index, writeId } = options;
  if (ifVersion !== undefined && !isCount(ifVersion)) throw invalid("ifVersion");
  if (ttlMs !== undefined && ttlMs !== null && !(Number.isFinite(ttlMs) && ttlMs > 0)) {
    throw invalid("ttlMs");
  }
  if (index !== undefined && index !== null) checkIndex(index);
  if (writeId !== undefined && (writeId.length > 128 || !VISIBLE.test(writeId))) {
    throw invalid("writeId");
  }
}

/** Refuses an index value that a store could not tell from another. */
export function checkIndex(index: string): void {
  const { length } = index;
  if (length < 1 || length > 256 || CONTROL.test(index) || !index.isWellFormed()) {
    throw invalid("index");
  }
}

/** The page that is asked for, checked. `after` is the sequence number of the page before's last document. */
export function readList(
  options: ListOptions,
): { limit: number; after: string | null; newest: boolean } {
  const { limit = 100, cursor, order = "newest", index } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > 1000) throw invalid("limit");
  if (index !== undefined) checkIndex(index);
  if (cursor !== undefined && !/^[on]\d{16}$/.test(cursor)) throw invalid("cursor");
  if (cursor !== undefined && cursor[0] !== order[0]) throw invalid("cursor");
  return { limit, after: cursor?.slice(1) ?? null, newest: order === "newest" };
}

/** The cursor behind a document. */
export function cursorAfter(sequence: string, newest: boolean): string {
  return (newest ? "n" : "o") + sequence;
}

/** Sequence numbers are compared as text too, so they have 16 digits. */
export function padSequence(sequence: number | bigint): string {
  return String(sequence).padStart(16, "0");
}

/** Wraps a value for storing. @throws {SynthError} `document_too_large`, or `invalid_document_value` */
export function wrapValue(value: Json, maxBytes: number): string {
  const json = JSON.stringify(value);
  if (json === undefined) {
    throw new SynthError("The document's value is not JSON", {
      code: "invalid_document_value",
      status: 400,
    });
  }
  const bytes = json.length > maxBytes ? json.length : byteLength(json, maxBytes);
  if (bytes > maxBytes) {
    throw new SynthError(`The document is too large: more than ${maxBytes} bytes`, {
      code: "document_too_large",
      status: 413,
      details: { limit: maxBytes },
    });
  }
  return `{"v":${ENVELOPE_VERSION},"d":${json}}`;
}

/** Takes a stored value out of its envelope. @throws {SynthError} `store_newer` or `store_error` */
export function unwrapValue(text: string): Json {
  let envelope: { v?: unknown; d?: Json };
  try {
    envelope = JSON.parse(text);
  } catch {
    throw new SynthError("A stored document is damaged", { code: "store_error" });
  }
  if (envelope.v !== ENVELOPE_VERSION || envelope.d === undefined) {
    throw new SynthError("A stored document was written by a newer synth", {
      code: "store_newer",
      status: 503,
      hint: "Update synth",
    });
  }
  return envelope.d;
}

function byteLength(text: string, maxBytes: number): number {
  // UTF-8 takes at most three bytes a UTF-16 unit.
  return text.length * 3 <= maxBytes ? text.length : new TextEncoder().encode(text).length;
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function invalid(param: string): SynthError {
  return new SynthError(`The document's ${param} is not valid`, {
    code: "invalid_document_name",
    status: 400,
    param,
  });
}

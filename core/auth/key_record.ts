/** A key as it is stored: everything but the key. @module */
import { type Json, SynthError } from "../errors.ts";
import { isScope, type KeyLimit, type Principal, type Scope } from "./principal.ts";

/** What is known about a key. */
export interface KeyRecord {
  /** SHA-256 of the key in hex; also the document's id. */
  readonly hash: string;
  /** Stays the same when the key is rotated. */
  readonly keyId: string;
  readonly org: string;
  readonly user: string;
  /** For people. */
  readonly name: string;
  /** The key's last four characters, to tell keys apart. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  readonly limits: readonly KeyLimit[];
  /** `null`: the gateway's default. */
  readonly requestsPerMinute: number | null;
  /** Streams at the same time. `null`: the gateway's default. */
  readonly maxStreams: number | null;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly expiresAt: number | null;
  readonly revokedAt: number | null;
  /** When a rotation put another key in its place. */
  readonly replacedAt: number | null;
}

const VERSION = 1;

/** The document's value. */
export function encodeRecord(record: KeyRecord): Json {
  const { limits, scopes, ...plain } = record;
  return {
    v: VERSION,
    ...plain,
    scopes: [...scopes],
    limits: limits.map((limit) => ({ ...limit })),
  };
}

/**
 * Reads a document's value back, believing nothing: a record that cannot be understood opens no door.
 *
 * @throws {SynthError} 503 `key_store_unavailable`
 */
export function decodeRecord(value: Json): KeyRecord {
  if (!isObject(value) || value["v"] !== VERSION) throw damaged();
  const { scopes, limits } = value;
  if (!Array.isArray(scopes) || !Array.isArray(limits)) throw damaged();
  return {
    hash: text(value["hash"]),
    keyId: text(value["keyId"]),
    org: text(value["org"]),
    user: text(value["user"]),
    name: text(value["name"]),
    hint: text(value["hint"]),
    scopes: scopes.map(text).filter(isScope),
    limits: limits.map(decodeLimit),
    // Records of before these limits have none.
    requestsPerMinute: countOrNull(value["requestsPerMinute"] ?? null),
    maxStreams: countOrNull(value["maxStreams"] ?? null),
    createdAt: count(value["createdAt"]),
    expiresAt: countOrNull(value["expiresAt"]),
    revokedAt: countOrNull(value["revokedAt"]),
    replacedAt: countOrNull(value["replacedAt"]),
  };
}

/** Who a record speaks for. */
export function principalOf(record: KeyRecord): Principal {
  return {
    org: record.org,
    user: record.user,
    keyId: record.keyId,
    scopes: new Set(record.scopes),
    expiresAt: record.expiresAt,
    limits: record.limits,
    requestsPerMinute: record.requestsPerMinute,
    maxStreams: record.maxStreams,
  };
}

function decodeLimit(value: Json): KeyLimit {
  if (!isObject(value)) throw damaged();
  const { metric, kind } = value;
  if (metric !== "tokens" && metric !== "cost" && metric !== "gpu_time" && metric !== "api_calls") {
    throw damaged();
  }
  if (kind !== "hard" && kind !== "soft") throw damaged();
  const amount = text(value["value"]);
  if (!/^[0-9]{1,16}$/.test(amount)) throw damaged();
  return {
    id: text(value["id"]),
    metric,
    kind,
    value: amount,
    windowMs: countOrNull(value["windowMs"]),
  };
}

function isObject(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function text(value: Json | undefined): string {
  if (typeof value !== "string") throw damaged();
  return value;
}

function count(value: Json | undefined): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw damaged();
  return value;
}

function countOrNull(value: Json | undefined): number | null {
  return value === null ? null : count(value);
}

function damaged(): SynthError {
  return new SynthError("A stored API key cannot be read", {
    code: "key_store_unavailable",
    status: 503,
    hint: "It is damaged, or was written by a newer synth: update, or have a new key made",
  });
}

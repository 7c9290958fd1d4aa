/**
 * `Idempotency-Key`: the ids of what a request makes are derived from it, so that the request sent again finds what it made. No other store.
 *
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { SynthError } from "@synth/core";
import type { RequestContext } from "../../http/request_context.ts";

const VISIBLE = /^[\x21-\x7e]{1,255}$/;
const ALPHABET = "0123456789abcdefghijklmnopqrstuv";
const LENGTH = 26;

/** The header. @throws {SynthError} 400 `invalid_idempotency_key` */
export function idempotencyKey(context: RequestContext): string | null {
  const key = context.request.headers.get("idempotency-key");
  if (key === null || VISIBLE.test(key)) return key;
  throw new SynthError("An Idempotency-Key is 1 to 255 visible ASCII characters", {
    code: "invalid_idempotency_key",
    status: 400,
    param: "Idempotency-Key",
  });
}

/**
 * An id that the same caller gets for the same key and purpose: 130 bits of SHA-256, 26 characters behind the prefix.
 *
 * @param purpose what is made, and in what; callers of another org or user get another id
 */
export function derivedId(
  prefix: string,
  context: RequestContext,
  purpose: readonly string[],
): string {
  const { org, user } = context.principal;
  const digest = sha256(new TextEncoder().encode(JSON.stringify([org, user, ...purpose])));
  let id = prefix;
  for (const byte of digest.subarray(0, LENGTH)) id += ALPHABET.charAt(byte & 31);
  return id;
}

/** A body's fingerprint: equal for equal values, whatever the order of their members. */
export function fingerprint(body: unknown): string {
  return bytesToHex(sha256(new TextEncoder().encode(JSON.stringify(canonical(body)))));
}

/** The error for a key that was used with another body. */
export function idempotencyConflict(): SynthError {
  return new SynthError("This Idempotency-Key was used with another body", {
    code: "idempotency_conflict",
    status: 409,
    param: "Idempotency-Key",
    hint: "Use a new key for a new request",
  });
}

function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => a < b ? -1 : 1);
  return ["object", ...members.map(([key, member]) => [key, canonical(member)])];
}

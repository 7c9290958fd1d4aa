/** The text of a key: made, checked, hashed, compared. @module */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

const encoder = new TextEncoder();
const PREFIX = "sk_synth_";
const SHAPE = /^sk_synth_[A-Za-z0-9_-]{43}$/;
/** Visible ASCII: what a header can carry without doubt. The length bounds the work that a stranger can ask for. */
const PRESENTABLE = /^[\x21-\x7e]{1,512}$/;

/** A new key: `sk_synth_` and 256 random bits as 43 characters. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const base64 = btoa(String.fromCharCode(...bytes));
  return PREFIX + base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** Whether a text has the shape of keys that {@linkcode newKey} makes. Others need not be looked for in a store. */
export function hasKeyShape(text: string): boolean {
  return SHAPE.test(text);
}

/** Whether a text may be hashed at all: 1 to 512 visible ASCII characters. */
export function isPresentable(text: string): boolean {
  return PRESENTABLE.test(text);
}

/**
 * SHA-256 in hex. Keys have 256 random bits, so a slow hash would protect nothing. Synchronous: WebCrypto's digest costs ten times as much
 * for so short a text.
 */
export function hashKey(key: string): string {
  return bytesToHex(sha256(encoder.encode(key)));
}

/** Whether two hashes are equal, in a time that depends on their lengths alone. */
export function equalHashes(a: string, b: string): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
}

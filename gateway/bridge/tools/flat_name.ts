import { sha256 } from "@noble/hashes/sha2.js";

const MAX_LENGTH = 64;
const KEPT = 55;
const LEGAL = /^[A-Za-z0-9_-]+$/;

/**
 * The one function name for a tool and its namespace. Members of the namespace `functions` keep their bare name. What is too long, or has
 * characters that function names must not have, is cut and told apart by a hash of the whole.
 */
export function flatName(namespace: string | null | undefined, name: string): string {
  const bare = namespace === null || namespace === undefined || namespace === "" ||
    namespace === "functions";
  const full = bare ? name : `${namespace}__${name}`;
  if (full.length <= MAX_LENGTH && LEGAL.test(full)) return full;
  return `${full.slice(0, KEPT).replace(/[^A-Za-z0-9_-]/g, "_")}_${hashHex(full, 4)}`;
}

/** The first `bytes` bytes of the SHA-256 of a text, in hex. */
export function hashHex(text: string, bytes: number): string {
  const digest = sha256(new TextEncoder().encode(text)).subarray(0, bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Names for the beginnings of a conversation: one hash that can be read at every boundary on the way.
 *
 * SHA-256, because a client that could make two beginnings collide could have a long input held as a short one.
 *
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

/** A hash that is being fed. */
export interface PrefixHash {
  update(bytes: Uint8Array): void;
  /** Hex digest of all bytes so far; feeding goes on afterwards. */
  peek(): string;
}

/** Begins a hash. The Deno runtime injects one over `node:crypto`, which is ten times as fast on long inputs. */
export type PrefixHasher = () => PrefixHash;

/** SHA-256 in JavaScript: runs everywhere. */
export function portablePrefixHash(): PrefixHash {
  const hash = sha256.create();
  return {
    update: (bytes) => void hash.update(bytes),
    peek: () => bytesToHex(hash.clone().digest()),
  };
}

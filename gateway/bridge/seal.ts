/**
 * Seals: what the gateway gives a client to keep and to bring back unread and unchanged, such as a model's reasoning.
 *
 * @module
 */
import { gcm } from "@noble/ciphers/aes.js";
import { EXIT, type Json, SynthError } from "@synth/core";
import { decodeBase64Url, encodeBase64Url } from "hono/utils/encode";

/** Reasoning of one turn, as it was received. */
export interface SealedReasoning {
  readonly kind: "reasoning";
  /** The concatenated reasoning text. */
  readonly text: string;
  /** `reasoning_details` of the upstream (OpenRouter), to be sent back unchanged. */
  readonly details?: readonly Json[];
}

/** The summary that stands for a compacted history. */
export interface SealedCompaction {
  readonly kind: "compaction";
  readonly text: string;
}

/** What the gateway keeps in its own store, unreadable to who reads that. */
export interface SealedDocument {
  readonly kind: "document";
  readonly text: string;
}

/** What can be sealed. */
export type Sealed = SealedReasoning | SealedCompaction | SealedDocument;

/** Whom a seal is for; one that was made for another does not open. */
export interface SealScope {
  readonly org: string;
  /** The upstream's model name: `TurnPlan.chat.model`. */
  readonly model: string;
}

/** Makes and opens seals. */
export interface Sealer {
  /** `gwr1.<kid>.<base64url of nonce, ciphertext and tag>`. */
  seal(content: Sealed, scope: SealScope): string;
  /** What was sealed, or null for anything that is not a seal of ours for this scope. Never throws. */
  open(seal: string, scope: SealScope): Sealed | null;
  /** The same as {@linkcode seal} with the runtime's own cryptography: for what is large and can wait. */
  sealLater(content: Sealed, scope: SealScope): Promise<string>;
  /** The same as {@linkcode open}. Never rejects. */
  openLater(seal: string, scope: SealScope): Promise<Sealed | null>;
}

/** One key: AES-256, 32 bytes. */
export interface SealKey {
  readonly kid: string;
  readonly key: Uint8Array;
}

const VERSION = "gwr1";
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
const MAX_SEAL_LENGTH = 16 * 1024 * 1024;
const KID = /^[A-Za-z0-9_-]{1,32}$/;

/**
 * Reads a key list `kid:key,kid:key` (`SYNTH_SEAL_KEYS`); a key is 32 bytes in base64, base64url or hex. The first seals.
 *
 * @throws {SynthError} `invalid_seal_keys`, which names the entry by its position and never by its content
 */
export function parseSealKeys(list: string): SealKey[] {
  const keys: SealKey[] = [];
  const seen = new Set<string>();
  for (const [index, raw] of list.split(",").entries()) {
    const entry = raw.trim();
    if (entry === "") continue;
    const colon = entry.indexOf(":");
    const kid = entry.slice(0, colon);
    const key = colon < 0 ? null : keyBytes(entry.slice(colon + 1));
    if (!KID.test(kid) || key === null || seen.has(kid)) throw badKeys(index + 1);
    seen.add(kid);
    keys.push({ kid, key });
  }
  if (keys.length === 0) throw badKeys(1);
  return keys;
}

function badKeys(position: number): SynthError {
  return new SynthError(`SYNTH_SEAL_KEYS: entry ${position} is not a key`, {
    code: "invalid_seal_keys",
    exitCode: EXIT.usage,
    hint: "Write kid:key[,kid:key...], each key 32 bytes in base64 or hex, each kid once",
  });
}

function keyBytes(text: string): Uint8Array | null {
  const encoded = text.trim();
  if (/^[0-9a-fA-F]{64}$/.test(encoded)) {
    const bytes = new Uint8Array(KEY_BYTES);
    for (let i = 0; i < KEY_BYTES; i++) {
      bytes[i] = Number.parseInt(encoded.slice(2 * i, 2 * i + 2), 16);
    }
    return bytes;
  }
  const bytes = fromBase64Url(encoded);
  return bytes?.length === KEY_BYTES ? bytes : null;
}

function toBase64Url(bytes: Uint8Array<ArrayBuffer>): string {
  const native = bytes as {
    toBase64?: (options: { alphabet: "base64url"; omitPadding: boolean }) => string;
  };
  if (native.toBase64 !== undefined) {
    return native.toBase64({ alphabet: "base64url", omitPadding: true });
  }
  return encodeBase64Url(bytes.buffer).replace(/=+$/, "");
}

function fromBase64Url(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decodeBase64Url(text);
  } catch {
    return null;
  }
}

/** A new key in the form that {@linkcode parseSealKeys} reads. */
export function generateSealKey(kid: string): string {
  const key = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return `${kid}:${toBase64Url(key)}`;
}

/** A sealer over a keyring: the first key seals, every key opens. */
export function createSealer(keys: readonly SealKey[]): Sealer {
  const first = keys[0];
  if (first === undefined) throw badKeys(1);
  return new KeyringSealer(first, keys);
}

class KeyringSealer implements Sealer {
  readonly #first: SealKey;
  readonly #keys: ReadonlyMap<string, Uint8Array>;
  readonly #imported: Map<string, CryptoKey> = new Map();

  constructor(first: SealKey, keys: readonly SealKey[]) {
    this.#first = first;
    this.#keys = new Map(keys.map(({ kid, key }) => [kid, key]));
  }

  seal(content: Sealed, scope: SealScope): string {
    const { kid, key } = this.#first;
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(JSON.stringify(content));
    const sealed = gcm(key, nonce, associatedData(scope)).encrypt(plain);
    return framed(kid, nonce, sealed);
  }

  async sealLater(content: Sealed, scope: SealScope): Promise<string> {
    const { kid, key } = this.#first;
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const plain = new TextEncoder().encode(JSON.stringify(content));
    const sealed = await crypto.subtle.encrypt(
      { name: "AES-GCM", iv, additionalData: associatedData(scope) },
      await this.#import(kid, key),
      plain,
    );
    return framed(kid, iv, new Uint8Array(sealed));
  }

  open(seal: string, scope: SealScope): Sealed | null {
    const parts = this.#parts(seal);
    if (parts === null) return null;
    try {
      const cipher = gcm(parts.key, parts.nonce, associatedData(scope));
      return asSealed(parsed(cipher.decrypt(parts.sealed)));
    } catch {
      return null;
    }
  }

  async openLater(seal: string, scope: SealScope): Promise<Sealed | null> {
    const parts = this.#parts(seal);
    if (parts === null) return null;
    try {
      const plain = await crypto.subtle.decrypt(
        { name: "AES-GCM", iv: parts.nonce, additionalData: associatedData(scope) },
        await this.#import(parts.kid, parts.key),
        parts.sealed,
      );
      return asSealed(parsed(new Uint8Array(plain)));
    } catch {
      return null;
    }
  }

  /** Keeps the key and not its promise: in Workers a promise of one request must not be waited for by another. */
  async #import(kid: string, key: Uint8Array): Promise<CryptoKey> {
    const known = this.#imported.get(kid);
    if (known !== undefined) return known;
    const raw = new Uint8Array(key);
    const imported = await crypto.subtle.importKey("raw", raw, "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]);
    this.#imported.set(kid, imported);
    return imported;
  }

  #parts(seal: string): SealParts | null {
    if (seal.length > MAX_SEAL_LENGTH || !seal.startsWith(`${VERSION}.`)) return null;
    const dot = seal.indexOf(".", VERSION.length + 1);
    if (dot < 0) return null;
    const kid = seal.slice(VERSION.length + 1, dot);
    const key = this.#keys.get(kid);
    if (key === undefined) return null;
    const bytes = fromBase64Url(seal.slice(dot + 1));
    if (bytes === null || bytes.length < NONCE_BYTES + TAG_BYTES) return null;
    return {
      kid,
      key,
      nonce: bytes.subarray(0, NONCE_BYTES),
      sealed: bytes.subarray(NONCE_BYTES),
    };
  }
}

interface SealParts {
  readonly kid: string;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly sealed: Uint8Array<ArrayBuffer>;
}

function framed(kid: string, nonce: Uint8Array, sealed: Uint8Array): string {
  const bytes = new Uint8Array(NONCE_BYTES + sealed.length);
  bytes.set(nonce);
  bytes.set(sealed, NONCE_BYTES);
  return `${VERSION}.${kid}.${toBase64Url(bytes)}`;
}

function parsed(plain: Uint8Array): unknown {
  return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
}

/** Org and model, framed so that no two scopes give the same bytes. */
function associatedData(scope: SealScope): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify([VERSION, scope.org, scope.model]));
}

function asSealed(value: unknown): Sealed | null {
  if (typeof value !== "object" || value === null) return null;
  const { kind, text, details } = value as { kind?: unknown; text?: unknown; details?: unknown };
  if (typeof text !== "string") return null;
  if (kind === "compaction" || kind === "document") return { kind, text };
  if (kind !== "reasoning") return null;
  return Array.isArray(details) ? { kind, text, details } : { kind, text };
}

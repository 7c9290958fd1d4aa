/** Browsers that are signed in: a random id in a cookie, bound to a key by the key's hash. The key itself is never kept. @module */
import { type Clock, type Json, SynthError } from "@synth/core";
import { type Authenticator, hashKey, type Principal, requireScope } from "@synth/core/auth";
import type { DocumentStore } from "@synth/core/storage";

/** Milliseconds that a sign-in lasts. */
export const SIGN_IN_MS: number = 8 * 3_600_000;

/** What a signed-in browser may see, and what its forms must carry. */
export interface SignIn {
  readonly principal: Principal;
  /** The text of its cookie. */
  readonly token: string;
}

/** The parts of {@linkcode SignIns}. */
export interface SignInsOptions {
  readonly authenticator: Authenticator;
  readonly documents: DocumentStore | null;
  readonly clock: Clock;
}

const ORG = "_system";
const COLLECTION = "dashboard_sign_ins";
const TOKEN = /^[A-Za-z0-9_-]{43}$/;
/** Milliseconds that a sign-in is believed without a look: what a sign-out elsewhere takes at most. */
const CACHE_MS = 30_000;
const MAX_CACHED = 1000;

/** Makes, finds and ends them. What is stored is the SHA-256 of the token, as with keys. */
export class SignIns {
  readonly #options: SignInsOptions;
  /** By the hash of the token: the hash of the key, and until when both are believed. */
  readonly #cache: Map<string, { readonly keyHash: string; readonly until: number }> = new Map();

  constructor(options: SignInsOptions) {
    this.#options = options;
  }

  /**
   * Signs a browser in.
   *
   * @throws {SynthError} 401, 403 `insufficient_scope`, 503, or 501 `dashboard_not_configured` on a gateway without a store
   */
  async make(key: string): Promise<SignIn> {
    const documents = this.#documents();
    const principal = await this.#options.authenticator.authenticateKey(key);
    requireScope(principal, "sessions");
    const token = randomToken();
    await documents.put(ORG, COLLECTION, hashKey(token), { v: 1, keyHash: hashKey(key) }, {
      ifVersion: 0,
      ttlMs: SIGN_IN_MS,
    });
    return { principal, token };
  }

  /**
   * Whose browser this is; `null` when nobody's: signed out, expired, its key revoked (within 30 s), or without the scope.
   *
   * @throws {SynthError} 503 when the store or the keys cannot be asked
   */
  async find(token: string | null): Promise<SignIn | null> {
    if (token === null || !TOKEN.test(token) || this.#options.documents === null) return null;
    const keyHash = await this.#keyHash(hashKey(token));
    if (keyHash === null) return null;
    try {
      const principal = await this.#options.authenticator.authenticateHash(keyHash);
      return principal.scopes.has("sessions") ? { principal, token } : null;
    } catch (error) {
      if (error instanceof SynthError && error.status === 401) return null;
      throw error;
    }
  }

  /** Signs it out: at once here, in other processes within 30 s. */
  async end(token: string): Promise<void> {
    const id = hashKey(token);
    this.#cache.delete(id);
    await this.#documents().delete(ORG, COLLECTION, id);
    this.#cache.delete(id);
  }

  async #keyHash(id: string): Promise<string | null> {
    const now = this.#options.clock.monotonic();
    const known = this.#cache.get(id);
    if (known !== undefined && now < known.until) return known.keyHash;
    this.#cache.delete(id);
    const found = await this.#documents().get(ORG, COLLECTION, id);
    const keyHash = found === null ? null : keyHashOf(found.value);
    if (keyHash === null) return null;
    this.#cache.set(id, { keyHash, until: now + CACHE_MS });
    const [oldest] = this.#cache.keys();
    if (this.#cache.size > MAX_CACHED && oldest !== undefined) this.#cache.delete(oldest);
    return keyHash;
  }

  #documents(): DocumentStore {
    const { documents } = this.#options;
    if (documents !== null) return documents;
    throw new SynthError("This gateway has no store that could keep a sign-in", {
      code: "dashboard_not_configured",
      status: 501,
      hint: "Start it with synth up, or give createGateway() documents",
    });
  }
}

/** 256 random bits as 43 characters. */
export function randomToken(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const base64 = btoa(String.fromCharCode(...bytes));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function keyHashOf(value: Json): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const { v, keyHash } = value;
  return v === 1 && typeof keyHash === "string" ? keyHash : null;
}

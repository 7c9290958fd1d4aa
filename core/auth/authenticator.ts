import { type Clock, systemClock } from "../clock.ts";
import { EXIT, SynthError } from "../errors.ts";
import { ExpiringLru } from "./expiring_lru.ts";
import { equalHashes, hashKey, hasKeyShape, isPresentable } from "./key.ts";
import { principalOf } from "./key_record.ts";
import type { KeyStore } from "./key_store.ts";
import type { Principal } from "./principal.ts";

/** A key from the configuration, such as `SYNTH_API_KEY`. It may have any shape. */
export interface StaticKey {
  readonly key: string;
  readonly principal: Principal;
}

/** The parts of an {@linkcode Authenticator}. */
export interface AuthenticatorOptions {
  /** @default {none: only static keys} */
  keys?: Pick<KeyStore, "lookup" | "onChange">;
  /** @default {none} */
  staticKeys?: readonly StaticKey[];
  /** @default {systemClock} */
  clock?: Clock;
  /** How long a key that was found is believed, in milliseconds: what a revoke elsewhere takes at most. @default {30_000} */
  cacheMs?: number;
  /** How long a key that was not found is refused without a look, in milliseconds. @default {2_000} */
  negativeCacheMs?: number;
  /** How many keys each of the two caches holds. @default {10_000} */
  maxCached?: number;
}

type Refusal = "invalid_api_key" | "expired_api_key";
type Verdict = { readonly principal: Principal } | { readonly refused: Refusal };

/** Tells who sends a request, by `Authorization: Bearer` or `X-API-Key`. */
export class Authenticator {
  readonly #keys: AuthenticatorOptions["keys"];
  readonly #static: readonly { hash: string; principal: Principal }[];
  readonly #clock: Clock;
  readonly #found: ExpiringLru<Principal>;
  readonly #refused: ExpiringLru<Refusal>;
  readonly #pending: Map<string, Promise<Verdict>> = new Map();
  /** Stops the news from the key store. */
  readonly #unwatch: () => void;

  constructor(options: AuthenticatorOptions) {
    const { cacheMs = 30_000, negativeCacheMs = 2_000, maxCached = 10_000 } = options;
    this.#keys = options.keys;
    this.#clock = options.clock ?? systemClock;
    this.#static = (options.staticKeys ?? []).map(hashStatic);
    this.#found = new ExpiringLru(maxCached, cacheMs, this.#clock);
    this.#refused = new ExpiringLru(maxCached, negativeCacheMs, this.#clock);
    this.#unwatch = this.#keys?.onChange((hash) => this.forget(hash)) ?? (() => {});
  }

  /**
   * Who sends this request.
   *
   * @throws {SynthError} 401 `missing_api_key`, `invalid_api_key`, `expired_api_key` or `ambiguous_credentials`; 503 `key_store_unavailable`
   */
  async authenticate(request: Request): Promise<Principal> {
    return await this.authenticateKey(presentedKey(request.headers));
  }

  /** Who holds this key. Throws as {@linkcode Authenticator.authenticate} does. */
  async authenticateKey(key: string): Promise<Principal> {
    if (!isPresentable(key)) throw unauthorized("invalid_api_key");
    const hash = hashKey(key);
    // What cannot be one of our keys is not worth a round trip.
    return await this.#holder(hash, hasKeyShape(key));
  }

  /**
   * Who holds the key with this hash, for what was bound to a key before, such as a signed-in browser. Throws as
   * {@linkcode Authenticator.authenticate} does.
   */
  async authenticateHash(hash: string): Promise<Principal> {
    return await this.#holder(hash, true);
  }

  async #holder(hash: string, maybeStored: boolean): Promise<Principal> {
    const known = this.#findStatic(hash) ?? this.#found.get(hash);
    if (known !== undefined) return this.#unexpired(known);
    const refused = this.#refused.get(hash);
    if (refused !== undefined) throw unauthorized(refused);
    if (this.#keys === undefined || !maybeStored) throw unauthorized("invalid_api_key");
    const verdict = await this.#lookupOnce(hash);
    if ("refused" in verdict) throw unauthorized(verdict.refused);
    return this.#unexpired(verdict.principal);
  }

  /** Drops what is cached about a key; a look-up that runs will not be remembered. */
  forget(hash: string): void {
    this.#found.delete(hash);
    this.#refused.delete(hash);
    this.#pending.delete(hash);
  }

  /** Stops listening to the key store. */
  close(): void {
    this.#unwatch();
  }

  /** Every static key is compared, whichever fits. */
  #findStatic(hash: string): Principal | undefined {
    let found: Principal | undefined;
    for (const entry of this.#static) if (equalHashes(entry.hash, hash)) found = entry.principal;
    return found;
  }

  #unexpired(principal: Principal): Principal {
    const { expiresAt } = principal;
    if (expiresAt !== null && expiresAt <= this.#clock.now()) throw unauthorized("expired_api_key");
    return principal;
  }

  #lookupOnce(hash: string): Promise<Verdict> {
    const running = this.#pending.get(hash);
    if (running !== undefined) return running;
    // A revoke elsewhere may follow the read at once: the answer ages from when it was asked for.
    const asked = this.#clock.monotonic();
    const lookup: Promise<Verdict> = this.#lookup(hash).then((verdict) => {
      // Unless it was forgotten meanwhile: then this verdict is already old.
      if (this.#pending.get(hash) !== lookup) return verdict;
      if ("refused" in verdict) this.#refused.set(hash, verdict.refused, asked);
      else this.#found.set(hash, verdict.principal, asked);
      return verdict;
    }).finally(() => {
      if (this.#pending.get(hash) === lookup) this.#pending.delete(hash);
    });
    this.#pending.set(hash, lookup);
    return lookup;
  }

  async #lookup(hash: string): Promise<Verdict> {
    try {
      const record = await this.#keys?.lookup(hash) ?? null;
      if (record === null || record.revokedAt !== null) return { refused: "invalid_api_key" };
      if (record.expiresAt !== null && record.expiresAt <= this.#clock.now()) {
        return { refused: "expired_api_key" };
      }
      return { principal: principalOf(record) };
    } catch (cause) {
      throw new SynthError("API keys cannot be checked now", {
        code: "key_store_unavailable",
        status: 503,
        headers: { "retry-after": "1" },
        cause,
      });
    }
  }
}

function hashStatic(entry: StaticKey): { hash: string; principal: Principal } {
  if (isPresentable(entry.key)) return { hash: hashKey(entry.key), principal: entry.principal };
  throw new SynthError(
    "A configured API key (SYNTH_API_KEY) must be 1 to 512 visible ASCII characters",
    {
      code: "invalid_static_key",
      exitCode: EXIT.usage,
      status: 400,
    },
  );
}

/** The key of a request. Two headers that agree are one. */
function presentedKey(headers: Headers): string {
  const authorization = headers.get("authorization") ?? "";
  const bearer = /^bearer +/i.test(authorization)
    ? authorization.slice("bearer".length).trimStart()
    : "";
  const plain = headers.get("x-api-key") ?? "";
  if (bearer !== "" && plain !== "" && bearer !== plain) {
    throw unauthorized("ambiguous_credentials");
  }
  const key = bearer || plain;
  if (key === "") throw unauthorized("missing_api_key");
  return key;
}

const MESSAGES = {
  missing_api_key: "An API key is required",
  invalid_api_key: "The API key is not valid",
  expired_api_key: "The API key has expired",
  ambiguous_credentials: "Authorization and X-API-Key carry different keys",
} as const;

const HINTS = {
  missing_api_key: "Send it as Authorization: Bearer or X-API-Key",
  invalid_api_key: "Check SYNTH_API_KEY, or have a new key made",
  expired_api_key: "Have a new key made",
  ambiguous_credentials: "Send one of them",
} as const;

function unauthorized(code: keyof typeof MESSAGES): SynthError {
  const detail = code === "missing_api_key" ? "" : ', error="invalid_token"';
  return new SynthError(MESSAGES[code], {
    code,
    status: 401,
    hint: HINTS[code],
    headers: { "www-authenticate": `Bearer realm="synth"${detail}` },
  });
}

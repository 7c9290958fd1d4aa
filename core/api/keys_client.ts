import * as z from "zod";
import type { ApiCaller, Repeatable } from "./api_caller.ts";
import {
  type KeyObject,
  type KeyRequest,
  KeySchema,
  type NewKeyObject,
  NewKeySchema,
  RevokedKeySchema,
  type RotateRequest,
} from "./keys.ts";
import { type IncreaseRequest, type Limit, type LimitRequest, LimitSchema } from "./limits.ts";

const KEYS = "/api/v1/keys";
const ORG = "/api/v1/orgs/self/limits";
const Keys = z.array(KeySchema);
const Limits = z.array(LimitSchema);

/** The keys and the limits of the caller's org. Every verb needs the scope `admin` and throws `SynthError` with the server's code. */
export class KeysClient {
  readonly #api: ApiCaller;

  constructor(api: ApiCaller) {
    this.#api = api;
  }

  /** Makes a key. Its text is in this answer alone. */
  async create(request: KeyRequest = {}): Promise<NewKeyObject> {
    return await this.#api.call("POST", KEYS, NewKeySchema, { body: request });
  }

  /** The newest keys; up to 1000. */
  async list(query: { readonly limit?: number } = {}): Promise<KeyObject[]> {
    return await this.#api.call("GET", KEYS, Keys, { query: { ...query } });
  }

  /** Puts a new key in the place of one. */
  async rotate(keyId: string, request: RotateRequest = {}): Promise<NewKeyObject> {
    return await this.#api.call("POST", at(keyId, "/rotate"), NewKeySchema, { body: request });
  }

  /** Ends a key. @throws {SynthError} 404 `key_not_found` when none works */
  async revoke(keyId: string): Promise<void> {
    await this.#api.call("DELETE", at(keyId), RevokedKeySchema);
  }

  /** A key's limits; `null` stands for the org's. */
  async limits(keyId: string | null): Promise<Limit[]> {
    return await this.#api.call("GET", limitsAt(keyId), Limits);
  }

  /** Adds a limit to a key, or to the org (`null`). */
  async addLimit(
    keyId: string | null,
    limit: LimitRequest,
    options: Repeatable = {},
  ): Promise<Limit> {
    return await this.#api.call("POST", limitsAt(keyId), LimitSchema, { ...options, body: limit });
  }

  /** Raises a limit of a key, or of the org (`null`). */
  async increaseLimit(
    keyId: string | null,
    increase: IncreaseRequest,
    options: Repeatable = {},
  ): Promise<Limit> {
    return await this.#api.call("POST", `${limitsAt(keyId)}/increase`, LimitSchema, {
      ...options,
      body: increase,
    });
  }

  /** Sees to it that the org has these limits, each with a `limit_id`. */
  async putOrgLimits(limits: readonly LimitRequest[]): Promise<Limit[]> {
    return await this.#api.call("PUT", ORG, Limits, { body: { limits } });
  }
}

function at(keyId: string, rest = ""): string {
  return `${KEYS}/${encodeURIComponent(keyId)}${rest}`;
}

function limitsAt(keyId: string | null): string {
  return keyId === null ? ORG : at(keyId, "/limits");
}

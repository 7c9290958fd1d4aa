/** The key store for handlers: there, and with errors that say what is down. @module */
import { SynthError } from "@synth/core";
import type { KeyPage, KeyStore } from "@synth/core/auth";
import type { Services } from "../services.ts";

/**
 * Asks the key store.
 *
 * @throws {SynthError} 503 `key_store_unavailable`; 501 `keys_not_configured` on a gateway without one
 */
export async function askKeys<T>(
  services: Services,
  ask: (keys: KeyStore) => Promise<T>,
): Promise<T> {
  if (services.keys === null) {
    throw new SynthError("This gateway makes no keys", {
      code: "keys_not_configured",
      status: 501,
    });
  }
  try {
    return await ask(services.keys);
  } catch (error) {
    if (!(error instanceof SynthError) || error.code !== "store_unavailable") throw error;
    throw new SynthError("The store that keeps the keys cannot be reached", {
      code: "key_store_unavailable",
      status: 503,
      hint: "Try again in a few seconds",
      headers: { "retry-after": "2" },
      cause: error,
    });
  }
}

/** Whether the org has a key of this id, ended or not. */
export async function hasKey(services: Services, org: string, keyId: string): Promise<boolean> {
  let cursor: string | null = null;
  do {
    const at: string | null = cursor;
    const page: KeyPage = await askKeys(
      services,
      (keys) => keys.list(org, { limit: 1000, ...(at === null ? {} : { cursor: at }) }),
    );
    if (page.keys.some((key) => key.keyId === keyId)) return true;
    cursor = page.cursor;
  } while (cursor !== null);
  return false;
}

/** The error for an id that is not one of this org's keys. */
export function keyNotFound(): SynthError {
  return new SynthError("There is no such key", { code: "key_not_found", status: 404 });
}

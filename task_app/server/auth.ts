/** Who may call a task app: whoever has its key. @module */
import { SynthError } from "@synth/core";
import { equalHashes, hashKey } from "@synth/core/auth";

const KEY = "ENVIRONMENT_API_KEY";
/** What the original falls back to, in its order. */
const DEVELOPMENT_KEYS = ["dev_environment_api_key", "DEV_ENVIRONMENT_API_KEY"];
const ALIASES = "ENVIRONMENT_API_KEY_ALIASES";
/** A request has one key, perhaps with a few aliases. The rest of a longer list is not looked at. */
const MAX_CANDIDATES = 64;
const MAX_KEY_LENGTH = 4096;

/** How {@linkcode TaskAppDoor} answers. */
export interface TaskAppDoorOptions {
  readonly env: (name: string) => string | undefined;
  /** 400 in place of 401. */
  readonly legacyStatus: boolean;
}

/** Checks keys in constant time. Neither a key, nor a part or the length of one, is in what it throws. */
export class TaskAppDoor {
  readonly #options: TaskAppDoorOptions;
  #source = "";
  #hashes: readonly string[] = [];

  constructor(options: TaskAppDoorOptions) {
    this.#options = options;
  }

  /**
   * Lets a request pass that has a valid key in `X-API-Key`, `X-API-Keys` or `Authorization: Bearer` (each may be a list with commas).
   *
   * @throws {SynthError} 503 `missing_environment_api_key`; 401 (or 400) `unauthorised`
   */
  check(headers: Headers): void {
    const allowed = this.#allowed();
    const candidates = presented(headers);
    let valid = false;
    // Every pair is compared, whichever fits.
    for (const candidate of candidates) {
      const hash = hashKey(candidate);
      for (const known of allowed) if (equalHashes(known, hash)) valid = true;
    }
    if (!valid) throw this.#refusal(candidates.length > 0);
  }

  #allowed(): readonly string[] {
    const { env } = this.#options;
    const key = taskAppKey(env);
    if (key === undefined) {
      throw new SynthError("The task app has no key to check requests against", {
        code: "missing_environment_api_key",
        status: 503,
        hint: `Set ${KEY} where the task app runs`,
      });
    }
    const source = JSON.stringify([key, env(ALIASES) ?? ""]);
    if (source !== this.#source) {
      const keys = [key, ...splitList(env(ALIASES) ?? "")];
      this.#hashes = [...new Set(keys)].map(hashKey);
      this.#source = source;
    }
    return this.#hashes;
  }

  #refusal(present: boolean): SynthError {
    return new SynthError(present ? "The API key is not valid" : "An API key is required", {
      code: "unauthorised",
      status: this.#options.legacyStatus ? 400 : 401,
      type: "authentication_error",
      hint: `Send the task app's ${KEY} as X-API-Key or Authorization: Bearer`,
      headers: { "www-authenticate": "Bearer" },
    });
  }
}

/** The key of a task app: `ENVIRONMENT_API_KEY`, else `dev_environment_api_key`, else `DEV_ENVIRONMENT_API_KEY`. */
export function taskAppKey(env: (name: string) => string | undefined): string | undefined {
  for (const name of [KEY, ...DEVELOPMENT_KEYS]) {
    const value = env(name)?.trim();
    if (value) return value;
  }
  return undefined;
}

/** The keys that a request shows. A key that has a comma in it counts whole as well. */
function presented(headers: Headers): string[] {
  const authorization = headers.get("authorization") ?? "";
  const bearer = /^bearer[ \t]/i.test(authorization) ? authorization.slice(7).trim() : "";
  const candidates = new Set<string>();
  for (const value of [headers.get("x-api-key") ?? "", bearer, headers.get("x-api-keys") ?? ""]) {
    for (const candidate of [value.trim(), ...splitList(value)]) {
      if (candidates.size >= MAX_CANDIDATES) return [...candidates];
      if (candidate !== "" && candidate.length <= MAX_KEY_LENGTH) candidates.add(candidate);
    }
  }
  return [...candidates];
}

function splitList(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

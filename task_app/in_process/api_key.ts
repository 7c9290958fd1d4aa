/** The key that callers of a task app send. @module */
import { EXIT, newId, SynthError } from "@synth/core";
import { parseEnvFile } from "../env_file.ts";
import { taskAppKey } from "../server/auth.ts";
import { validateKey } from "./validate_options.ts";

/** Where a key is looked for. */
export interface KeySources {
  /** `null`: none is wanted. */
  readonly apiKey: string | null | undefined;
  /** Whether a new one may be made. */
  readonly generate: boolean;
  readonly env: (name: string) => string | undefined;
  /** @default {./.env, when reading it is permitted} */
  readonly envFile?: () => Promise<string | undefined>;
}

/** A key, and whether it was made just now. */
export interface FoundEnvironmentKey {
  readonly key: string | null;
  readonly source: "option" | "environment" | "env_file" | "generated" | "none";
}

/**
 * The given key, else `ENVIRONMENT_API_KEY` of the environment or of `./.env`, else a new one when that is asked for.
 *
 * @throws {SynthError} `environment_api_key_missing` (exit code 4), `invalid_api_key`
 */
export async function findEnvironmentKey(sources: KeySources): Promise<FoundEnvironmentKey> {
  const { apiKey, env, generate } = sources;
  if (apiKey === null) return { key: null, source: "none" };
  if (apiKey !== undefined) return checked(apiKey, "option");
  const set = taskAppKey(env);
  if (set !== undefined) return checked(set, "environment");
  const file = await (sources.envFile ?? readDotEnv)();
  const key = file === undefined ? undefined : parseEnvFile(file).get("ENVIRONMENT_API_KEY");
  if (key) return checked(key, "env_file");
  if (generate) return { key: newId("env_"), source: "generated" };
  throw new SynthError("There is no key for the task app", {
    code: "environment_api_key_missing",
    status: 401,
    exitCode: EXIT.auth,
    hint:
      "Set ENVIRONMENT_API_KEY (synth setup makes one), pass apiKey or generateApiKey: true, or apiKey: null for an app that asks for none",
  });
}

function checked(key: string, source: FoundEnvironmentKey["source"]): FoundEnvironmentKey {
  validateKey(key);
  return { key, source };
}

/** Without a question: a prompt for a permission would hang a script. */
async function readDotEnv(): Promise<string | undefined> {
  const { state } = await Deno.permissions.query({ name: "read", path: ".env" });
  if (state !== "granted") return undefined;
  try {
    return await Deno.readTextFile(".env");
  } catch {
    return undefined;
  }
}

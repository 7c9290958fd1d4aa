/** The key of the first start. @module */
import { EXIT, SynthError } from "@synth/core";
import {
  hasKeyShape,
  type KeyStore,
  type NewKey,
  newKey,
  type Principal,
  SCOPES,
  type StaticKey,
} from "@synth/core/auth";
import type { Environment } from "@synth/core/config";
import { createPrivateFile } from "@synth/core/platform";
import { readText } from "./files.ts";

/** Whom the keys of one machine speak for. */
const OWNER = { org: "local", user: "owner" } as const;

const FIRST_KEY: NewKey = { ...OWNER, name: "first start", scopes: SCOPES };

/** A key in the file. */
export interface FirstKey {
  readonly key: string;
  /** Whether this call made it, so that it has not been shown yet. */
  readonly made: boolean;
  /** Whether someone has ended it. */
  readonly ended: boolean;
}

/** The key that the environment asks to accept instead, if it does. */
export function environmentKey(env: Environment): StaticKey | null {
  const key = env.SYNTH_API_KEY;
  if (!key) return null;
  const principal: Principal = {
    ...OWNER,
    keyId: "key_environment",
    scopes: new Set(SCOPES),
    expiresAt: null,
  };
  return { key, principal };
}

/**
 * Reads the file's key, or makes it on the first start, and sees to it that the store knows its hash. Of processes that
 * start at once one makes the key and all use it.
 *
 * @throws {SynthError} `api_key_file_broken`, exit code 2
 */
export async function ensureApiKey(path: string, keys: Pick<KeyStore, "adopt">): Promise<FirstKey> {
  let key = (await readText(path))?.trim();
  let made = false;
  if (key === undefined) {
    const fresh = newKey();
    made = await createPrivateFile(path, `${fresh}\n`);
    key = made ? fresh : (await readText(path))?.trim();
  }
  if (key === undefined || !hasKeyShape(key)) throw broken(path);
  if (!made) await keepPrivate(path);
  const record = await keys.adopt(key, FIRST_KEY);
  return { key, made, ended: record.revokedAt !== null };
}

/** Only its owner reads the key, also when it was copied or restored with wider rights. */
async function keepPrivate(path: string): Promise<void> {
  if (Deno.build.os === "windows") return;
  try {
    const { mode } = await Deno.stat(path);
    if (((mode ?? 0) & 0o077) !== 0) await Deno.chmod(path, 0o600);
  } catch {
    // Another user's file, or one that is mounted to be read only: its rights are not ours to set.
  }
}

function broken(path: string): SynthError {
  return new SynthError(`${path} does not hold a key of ours`, {
    code: "api_key_file_broken",
    hint: "Remove the file to have a new key made, or set SYNTH_API_KEY",
    exitCode: EXIT.usage,
  });
}

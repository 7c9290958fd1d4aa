/** The key that a command sends, and where it is kept. @module */
import { EXIT, SynthError } from "@synth/core";
import { replacePrivateFile } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { readText } from "../state/files.ts";
import type { Paths } from "../state/paths.ts";

/** What `synth setup` keeps. */
export interface Credentials {
  readonly v: 1;
  /** The backend that gave the keys, as an origin; `null`: made for this machine. */
  readonly backend: string | null;
  /** `null`: the one in `api_key`. */
  readonly synth_api_key: string | null;
  /** What task apps ask of their callers. */
  readonly environment_api_key: string | null;
}

/** A key and where it came from. */
export interface FoundKey {
  readonly key: string;
  readonly source: string;
}

/**
 * `SYNTH_API_KEY` > what `synth setup` got from this very backend > the key of the first start.
 *
 * @throws {SynthError} `no_api_key`, `key_file_not_private` (exit code 4), `invalid_api_key` (2)
 */
export async function findKey(
  context: Pick<CliContext, "env" | "os">,
  paths: Paths,
  baseUrl: string,
): Promise<FoundKey> {
  const { SYNTH_API_KEY: given } = context.env;
  if (given) return usable(given.trim(), "SYNTH_API_KEY");
  const kept = await readCredentials(context, paths);
  if (kept !== null && kept.synth_api_key !== null && kept.backend === new URL(baseUrl).origin) {
    return usable(kept.synth_api_key, paths.credentials);
  }
  const text = (await readPrivate(context, paths.apiKey))?.trim();
  if (text) return usable(text, paths.apiKey);
  throw new SynthError("There is no API key", {
    code: "no_api_key",
    exitCode: EXIT.auth,
    hint: `Set SYNTH_API_KEY, or run synth setup. A gateway's first start writes ${paths.apiKey}`,
  });
}

/** What was kept, `null` when nothing was. @throws {SynthError} `credentials_broken`, `key_file_not_private` */
export async function readCredentials(
  context: Pick<CliContext, "os">,
  paths: Paths,
): Promise<Credentials | null> {
  const text = await readPrivate(context, paths.credentials);
  if (text === null) return null;
  let content: Partial<Credentials> | null = null;
  try {
    content = JSON.parse(text);
  } catch {
    // Reported below, without the text: it may hold a key.
  }
  if (content?.v !== 1) {
    throw new SynthError(`${paths.credentials} cannot be read`, {
      code: "credentials_broken",
      exitCode: EXIT.auth,
      hint: "Remove it and run synth setup again",
    });
  }
  return {
    v: 1,
    backend: textOrNull(content.backend),
    synth_api_key: textOrNull(content.synth_api_key),
    environment_api_key: textOrNull(content.environment_api_key),
  };
}

/** Keeps credentials for the user alone. */
export async function writeCredentials(paths: Paths, credentials: Credentials): Promise<void> {
  await replacePrivateFile(paths.credentials, `${JSON.stringify(credentials, null, 2)}\n`);
}

/** A key that shows which one it is and cannot be used. */
export function maskKey(key: string): string {
  return key.length < 16 ? "***" : `${key.slice(0, 6)}...${key.slice(-4)}`;
}

/** A secret in a file that others can read is none. */
async function readPrivate(
  context: Pick<CliContext, "os">,
  path: string,
): Promise<string | null> {
  const text = await readText(path);
  if (text === null || context.os === "windows") return text;
  const mode = ((await Deno.stat(path)).mode ?? 0o600) & 0o777;
  if ((mode & 0o077) === 0) return text;
  throw new SynthError(`Others can read ${path} (mode ${mode.toString(8)})`, {
    code: "key_file_not_private",
    exitCode: EXIT.auth,
    hint: `Run "chmod 600 ${path}"; if someone may have read it, rotate the key`,
  });
}

function usable(key: string, source: string): FoundKey {
  if (/^[\x21-\x7e]{1,512}$/.test(key)) return { key, source };
  throw new SynthError(`The key in ${source} cannot be sent: it has spaces or special characters`, {
    code: "invalid_api_key",
    exitCode: EXIT.usage,
  });
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

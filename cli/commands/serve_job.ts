/** The environment and the process of a user's file. @module */
import { EXIT, SynthError } from "@synth/core";
import { readEnvFile } from "@synth/task-app/env-file";
import { findEnvironmentKey } from "@synth/task-app/in-process";
import { readCredentials } from "../client/credentials.ts";
import type { CliContext } from "../context.ts";
import { absolute, type Paths } from "../state/paths.ts";
import { findConfig, findDeno, type ServeJob, writeRunner } from "./serve_process.ts";

/** Flags that say how a file is run. */
export interface JobFlags {
  readonly envFile?: readonly string[];
  readonly allow?: readonly string[];
}

const DEFAULT_PERMISSIONS = ["net", "env", "read"];

/** What a file is run with. Secret. */
export interface JobEnvironment {
  /** The whole environment, with the key. */
  readonly env: Record<string, string>;
  /** What the app's callers send. */
  readonly key: string;
  /** What the `--env-file`s hold, whatever the environment says. */
  readonly fromFiles: ReadonlyMap<string, string>;
}

/**
 * The environment of the file, with the key that its callers send. Each file is read once, for it may be a pipe.
 *
 * @throws {SynthError} `environment_api_key_missing` (exit code 4), `env_value_invalid` (2), as `readEnvFile`
 */
export async function environmentOf(
  context: CliContext,
  flags: Pick<JobFlags, "envFile">,
  paths: Paths,
): Promise<JobEnvironment> {
  const env = new Map<string, string>();
  for (const [name, value] of Object.entries(context.env)) {
    if (value !== undefined) env.set(name, value);
  }
  const fromFiles = new Map<string, string>();
  for (const path of flags.envFile ?? []) {
    for (const [name, value] of await readEnvFile(absolute(context, path))) {
      if (value.includes("\0")) throw invalidValue(name, path);
      if (!fromFiles.has(name)) fromFiles.set(name, value);
    }
  }
  for (const [name, value] of fromFiles) if (!env.has(name)) env.set(name, value);
  const found = await findEnvironmentKey({
    apiKey: undefined,
    generate: false,
    env: (name) => env.get(name),
    // Not ./.env, which nobody named, but what synth setup keeps.
    envFile: async () => {
      const key = (await readCredentials(context, paths))?.environment_api_key;
      return key ? `ENVIRONMENT_API_KEY='${key}'` : undefined;
    },
  });
  const key = found.key ?? "";
  env.set("ENVIRONMENT_API_KEY", key);
  return { env: Object.fromEntries(env), key, fromFiles };
}

function invalidValue(name: string, path: string): SynthError {
  return new SynthError(`The value of ${name} in ${path} holds a NUL character`, {
    code: "env_value_invalid",
    exitCode: EXIT.usage,
    hint: "No environment can hold it: remove it",
  });
}

/** What is run for a file. @throws {SynthError} `task_app_file_not_found` (exit code 3), `deno_not_found` (127) */
export async function jobOf(
  context: CliContext,
  flags: Pick<JobFlags, "allow">,
  paths: Paths,
  file: string,
  env: Readonly<Record<string, string>>,
): Promise<ServeJob> {
  const path = await realFile(absolute(context, file));
  const permissions = (flags.allow ?? DEFAULT_PERMISSIONS).map((name) => `--allow-${name}`);
  return {
    file: path,
    deno: await findDeno(context),
    runner: await writeRunner(context, paths.home),
    config: await findConfig(context, path),
    permissions,
    env,
    cwd: context.cwd,
    print: (text) => context.process.stderr.write(text),
  };
}

/** A file's real path. @throws {SynthError} `task_app_file_not_found`, exit code 3 */
export async function realFile(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    throw new SynthError(`There is no file ${path}`, {
      code: "task_app_file_not_found",
      exitCode: EXIT.notFound,
      hint: "Name the file that exports the task app",
    });
  }
}

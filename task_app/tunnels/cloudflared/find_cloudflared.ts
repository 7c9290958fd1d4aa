/** Finds a `cloudflared` that works. @module */
import { posix, win32 } from "node:path";
import { type Clock, EXIT, SynthError } from "@synth/core";
import { withinTime } from "../../in_process/waits.ts";
import { childEnvironment } from "./child_environment.ts";
import type { CommandRunner } from "./command_runner.ts";

/** Milliseconds that `cloudflared --version` has. */
const VERSION_MS = 5_000;

/** Where it is looked for. */
export interface FindOptions {
  /** The directory of the state. */
  readonly home: string;
  readonly env: (name: string) => string | undefined;
  /** As in `Deno.build.os`. @default {this machine's} */
  readonly os?: string;
}

/** The place of the one that `synth tunnel install` writes. */
export function installedCloudflared(home: string, os: string = Deno.build.os): string {
  const windows = os === "windows";
  return (windows ? win32 : posix).join(home, "bin", windows ? "cloudflared.exe" : "cloudflared");
}

/**
 * Path of the program: ours under `SYNTH_HOME/bin`, which somebody has chosen to install, else the first on the PATH.
 *
 * @throws {SynthError} `cloudflared_not_found`, exit code 127
 */
export async function findCloudflared(options: FindOptions): Promise<string> {
  const [first] = await allCloudflareds(options);
  if (first !== undefined) return first;
  throw notFound(options.os ?? Deno.build.os);
}

/**
 * The first that works. As a shell does, it passes over those that this user may not run.
 *
 * @throws {SynthError} as {@linkcode findCloudflared} and {@linkcode checkCloudflared}
 */
export async function findWorkingCloudflared(
  options: FindOptions & CheckOptions,
): Promise<{ readonly program: string; readonly version: string }> {
  let denied: unknown = null;
  for (const program of await allCloudflareds(options)) {
    try {
      return { program, version: await checkCloudflared(program, options) };
    } catch (error) {
      if (!isDenied(error)) throw error;
      denied ??= error;
    }
  }
  throw denied ?? notFound(options.os ?? Deno.build.os);
}

async function allCloudflareds(options: FindOptions): Promise<string[]> {
  const { home, env, os = Deno.build.os } = options;
  const windows = os === "windows";
  const { join, isAbsolute } = windows ? win32 : posix;
  const directories = (env("PATH") ?? env("Path") ?? "").split(windows ? ";" : ":");
  const found = [installedCloudflared(home, os)];
  // A relative directory would make it depend on where we stand.
  for (const directory of directories.filter((path) => isAbsolute(path))) {
    found.push(join(directory, windows ? "cloudflared.exe" : "cloudflared"));
  }
  const programs = await Promise.all(found.map((path) => isProgram(path, windows)));
  return found.filter((_, at) => programs[at]);
}

/** Whether the system has refused to run it. */
function isDenied(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof Deno.errors.PermissionDenied) return true;
  }
  return false;
}

function notFound(os: string): SynthError {
  return new SynthError("Tunnels need cloudflared, and there is none here", {
    code: "cloudflared_not_found",
    status: 501,
    exitCode: EXIT.missingProgram,
    hint: os === "darwin"
      ? "Run brew install cloudflared, or synth tunnel install --help"
      : "Install it as its makers say (developers.cloudflare.com, search for cloudflared downloads), or see synth tunnel install --help",
  });
}

/** What a check needs. */
export interface CheckOptions {
  readonly runner: CommandRunner;
  readonly env: (name: string) => string | undefined;
  readonly clock: Pick<Clock, "after">;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks a program for its version, so that one that hangs or is broken is known before anything depends on it.
 *
 * @returns its first line
 * @throws {SynthError} `cloudflared_broken`, exit code 127; the signal's reason
 */
export async function checkCloudflared(path: string, options: CheckOptions): Promise<string> {
  const { runner, env, clock, signal } = options;
  const kill = new AbortController();
  const signals = signal === undefined ? kill.signal : AbortSignal.any([kill.signal, signal]);
  try {
    const asked = runner.run(path, ["--version"], childEnvironment(env), signals);
    const { code, stdout } = await withinTime(asked, VERSION_MS, clock, signal);
    if (code === 0) return (stdout.split("\n", 1)[0] ?? "").trim().slice(0, 200);
    throw broken(path, `it ended with code ${code}`);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof SynthError) || error.code === "cloudflared_broken") throw error;
    const why = error.code === "took_too_long" ? "it does not answer" : error.message;
    throw broken(path, why, error);
  } finally {
    kill.abort(new Error("asked no longer"));
  }
}

function broken(path: string, why: string, cause?: SynthError): SynthError {
  return new SynthError(`${path} does not work: ${why}`, {
    code: "cloudflared_broken",
    status: 501,
    exitCode: EXIT.missingProgram,
    hint: `"cloudflared --version" has to work: install it again`,
    cause,
  });
}

async function isProgram(path: string, windows: boolean): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (windows || ((mode ?? 0) & 0o111) !== 0);
  } catch {
    return false;
  }
}

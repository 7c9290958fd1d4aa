/** What `synth config trust` does. @module */
import { SynthError } from "@synth/core";
import { findProjectFile, fingerprint, listGuarded } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { readText } from "../state/files.ts";
import { ensureHome } from "../state/home.ts";
import { absolute, findPaths } from "../state/paths.ts";
import { readTrust, writeTrust } from "../state/trust_file.ts";

/** Flags of the command. */
export interface TrustFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly remove: boolean;
}

/** Remembers the content of a project's file, or forgets it. */
export async function runConfigTrust(
  this: CliContext,
  flags: TrustFlags,
  given?: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const trusted = await readTrust(paths.trust);
  if (flags.remove) {
    const path = given === undefined
      ? (await findProjectFile(this.cwd, readText))?.path
      : await resolve(this, given);
    if (path === undefined || !trusted.delete(path)) {
      throw missing(path ?? this.cwd, "trusted file");
    }
    await writeTrust(paths.trust, trusted);
    return report(this, flags, path, []);
  }
  const file = await find(this, given);
  const guarded = listGuarded(file.path, file.content);
  await ensureHome(this, paths.home);
  trusted.set(file.path, await fingerprint(file.path, file.content));
  await writeTrust(paths.trust, trusted);
  for (const line of guarded) say(this, `  ${line}`);
  say(this, "These count from now on, until the file changes. Withdraw with --remove.");
  report(this, flags, file.path, guarded);
}

function report(
  context: CliContext,
  flags: TrustFlags,
  path: string,
  guarded: readonly string[],
): void {
  if (flags.json) printJson(context, { path, trusted: !flags.remove, guarded });
  else printLine(context, path);
}

async function find(
  context: CliContext,
  given: string | undefined,
): Promise<{ path: string; content: string }> {
  if (given === undefined) {
    const found = await findProjectFile(context.cwd, readText);
    if (found === null) throw missing(context.cwd, "synth.toml in or above");
    return found;
  }
  const path = await resolve(context, given);
  const content = await readText(path);
  if (content === null) throw missing(path, "file");
  return { path, content };
}

/** The path as the search from a working directory will see it: its directory without symbolic links. */
async function resolve(context: CliContext, given: string): Promise<string> {
  const path = absolute(context, given);
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const directory = path.slice(0, cut) || path.slice(0, cut + 1);
  try {
    const real = await Deno.realPath(directory);
    return real + (/[\\/]$/.test(real) ? "" : path.charAt(cut)) + path.slice(cut + 1);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}

function missing(path: string, what: string): SynthError {
  return new SynthError(`There is no ${what} ${path}`, { code: "config_not_found", status: 404 });
}

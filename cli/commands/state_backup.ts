/** What `synth state backup` does. @module */
import { EXIT, newId, SynthError } from "@synth/core";
import { createPrivateFile } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { printJson, printLine, say } from "../output/print.ts";
import {
  type BackupManifest,
  DATABASES,
  digestOf,
  MANIFEST,
  SMALL_FILES,
} from "../state/backup_files.ts";
import { absolute, findPaths, joinPath } from "../state/paths.ts";

/** Flags of the commands. */
export interface StateFlags {
  readonly home?: string;
  readonly json: boolean;
}

/** Copies the state into a new directory: whole, or not at all. */
export async function runStateBackup(
  this: CliContext,
  flags: StateFlags,
  given: string,
): Promise<void> {
  const { home } = findPaths(this, flags.home);
  const target = absolute(this, given);
  if (await exists(target)) {
    throw new SynthError(`${target} exists and stays as it is`, {
      code: "output_exists",
      exitCode: EXIT.usage,
      hint: "Name a directory that is not there yet",
    });
  }
  const draft = `${target}.${newId("")}.tmp`;
  await Deno.mkdir(draft, { recursive: true, mode: 0o700 });
  let manifest: BackupManifest;
  try {
    const names = await copyAll(this, home, draft);
    if (names.length === 0) {
      throw new SynthError(`There is no state in ${home}`, {
        code: "no_state",
        exitCode: EXIT.notFound,
        hint: "Name its directory with --home or SYNTH_HOME",
      });
    }
    manifest = {
      v: 1,
      created_at: new Date().toISOString(),
      files: await Promise.all(names.map((name) => digestOf(joinPath(this, draft, name)))),
    };
    const text = `${JSON.stringify(manifest, null, 2)}\n`;
    await createPrivateFile(joinPath(this, draft, MANIFEST), text);
    await Deno.rename(draft, target);
  } catch (error) {
    await Deno.remove(draft, { recursive: true });
    throw error;
  }
  if (flags.json) return printJson(this, { directory: target, ...manifest });
  say(this, `${manifest.files.length} files. They hold keys: keep them as you keep the originals`);
  printLine(this, target);
}

async function copyAll(context: CliContext, from: string, to: string): Promise<string[]> {
  const names: string[] = [];
  for (const name of SMALL_FILES) {
    const source = joinPath(context, from, name);
    if (!await exists(source)) continue;
    await createPrivateFile(joinPath(context, to, name), await Deno.readFile(source));
    names.push(name);
  }
  const { backup, DatabaseSync } = await import("node:sqlite");
  for (const name of DATABASES) {
    const source = joinPath(context, from, name);
    if (!await exists(source)) continue;
    const copy = joinPath(context, to, name);
    await createPrivateFile(copy, "");
    const db = new DatabaseSync(source, { readOnly: true, timeout: 5000 });
    try {
      await backup(db, copy);
    } finally {
      db.close();
    }
    names.push(name);
  }
  return names;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** What `synth state restore` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { isProcessAlive } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { printJson, printLine, say } from "../output/print.ts";
import {
  type BackupManifest,
  DATABASES,
  digestOf,
  MANIFEST,
  parseManifest,
} from "../state/backup_files.ts";
import { readText } from "../state/files.ts";
import { readGateway } from "../state/gateway_record.ts";
import { ensureHome } from "../state/home.ts";
import { absolute, findPaths, joinPath, type Paths } from "../state/paths.ts";
import type { StateFlags } from "./state_backup.ts";

/** Puts a backup in the place of the state. */
export async function runStateRestore(
  this: CliContext,
  flags: StateFlags,
  given: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const source = absolute(this, given);
  const manifest = parseManifest(await readText(joinPath(this, source, MANIFEST)));
  await checkFiles(this, source, manifest);
  await ensureHome(this, paths.home);
  await refuseWhileRunning(this, paths);
  const aside = await moveAside(this, paths.home, manifest);
  for (const { name } of manifest.files) {
    const target = joinPath(this, paths.home, name);
    await Deno.copyFile(joinPath(this, source, name), target);
    if (this.os !== "windows") await Deno.chmod(target, 0o600);
  }
  const restored = manifest.files.map(({ name }) => name);
  if (flags.json) {
    return printJson(this, { home: paths.home, created_at: manifest.created_at, restored, aside });
  }
  say(this, `The state of ${manifest.created_at} is back: ${restored.join(", ")}`);
  if (aside !== null) say(this, `What was there is in ${aside}`);
  printLine(this, paths.home);
}

async function checkFiles(
  context: CliContext,
  source: string,
  manifest: BackupManifest,
): Promise<void> {
  for (const { name, sha256 } of manifest.files) {
    const found = await digestOf(joinPath(context, source, name)).catch(() => null);
    if (found?.sha256 === sha256) continue;
    throw new SynthError(`${name} of the backup is ${found === null ? "missing" : "changed"}`, {
      code: "backup_damaged",
      exitCode: EXIT.failed,
      hint: "Nothing was restored; use another backup",
    });
  }
}

/** The record may be missing or old; a database that another process has open cannot leave its log. */
async function refuseWhileRunning(context: CliContext, paths: Paths): Promise<void> {
  const record = await readGateway(paths.gateway);
  if (record !== null && isProcessAlive(record.pid) === true) throw running(record.url);
  const { DatabaseSync } = await import("node:sqlite");
  for (const name of DATABASES) {
    const path = joinPath(context, paths.home, name);
    if (await Deno.stat(path).catch(() => null) === null) continue;
    const db = new DatabaseSync(path, { timeout: 0 });
    try {
      db.exec("PRAGMA journal_mode = DELETE");
    } catch (error) {
      // A damaged file is one that a restore is for.
      if (/lock|busy/i.test(String(error))) throw running(null);
    } finally {
      db.close();
    }
  }
}

function running(url: string | null): SynthError {
  return new SynthError(`A gateway uses this state${url === null ? "" : `: ${url}`}`, {
    code: "gateway_running",
    exitCode: EXIT.failed,
    hint: "Stop it first",
  });
}

async function moveAside(
  context: CliContext,
  home: string,
  manifest: BackupManifest,
): Promise<string | null> {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, "");
  const aside = joinPath(context, home, `before-restore-${stamp}`);
  let moved = false;
  for (const { name } of manifest.files) {
    for (const file of [name, `${name}-wal`, `${name}-shm`]) {
      const path = joinPath(context, home, file);
      if (await Deno.lstat(path).catch(() => null) === null) continue;
      await Deno.mkdir(aside, { recursive: true, mode: 0o700 });
      await Deno.rename(path, joinPath(context, aside, file));
      moved = true;
    }
  }
  return moved ? aside : null;
}

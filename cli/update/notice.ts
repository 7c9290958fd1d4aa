/** Tells once a day that there is a newer version. @module */
import type { Clock } from "@synth/core";
import type { CliContext } from "../context.ts";
import { say } from "../output/print.ts";
import { findPaths, joinPath } from "../state/paths.ts";
import { VERSION } from "../version.ts";
import { startAsking } from "./start_asking.ts";
import { isNewer, readUpdateFile, writeUpdateFile } from "./update_file.ts";

const DAY_MS = 86_400_000;

/**
 * Says on stderr what an earlier command has found out, and has a process of its own ask for the next one; nothing here
 * waits for the network. Where there is no directory of the state yet, none is made. Never rejects: no command fails
 * because of it.
 */
export async function noticeUpdate(
  context: CliContext,
  clock: Pick<Clock, "now">,
  ask: (context: CliContext, file: string) => Promise<boolean> = startAsking,
): Promise<void> {
  try {
    const file = joinPath(context, findPaths(context).home, "update.json");
    const known = await readUpdateFile(file);
    const now = clock.now();
    const { latest } = known;
    const tell = latest !== null && isNewer(latest, VERSION) && isDue(known.told_at, now);
    if (tell) say(context, `note: synth ${latest} is out, this is ${VERSION}. ${howTo(latest)}`);
    const next = {
      ...known,
      told_at: tell ? now : known.told_at,
      asked_at: isDue(known.asked_at, now) ? now : known.asked_at,
    };
    if (next.told_at === known.told_at && next.asked_at === known.asked_at) return;
    // Before anyone asks, so that a machine without a network asks no more than once a day either.
    await writeUpdateFile(file, next);
    if (next.asked_at !== known.asked_at) await ask(context, file);
  } catch {
    // A directory that is not there or cannot be written: then nothing is told.
  }
}

/** A time in the future is a clock that was set back. */
function isDue(last: number, now: number): boolean {
  return now - last >= DAY_MS || last > now;
}

function howTo(version: string): string {
  return import.meta.url.startsWith("file:")
    ? "Update your checkout"
    : `Update: deno install --global --force -A --name synth jsr:@synth/cli@${version}/main`;
}

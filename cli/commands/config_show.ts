/** What `synth config show` does. @module */
import { listSettings, type Origin } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { printJson } from "../output/print.ts";
import { table } from "../output/table.ts";
import { loadForCommand } from "../state/load.ts";
import { findPaths } from "../state/paths.ts";

/** Flags of the command. */
export interface ShowFlags {
  readonly config?: string;
  readonly home?: string;
  readonly json: boolean;
  readonly origin: boolean;
}

/** Shows every setting in force. */
export async function runConfigShow(this: CliContext, flags: ShowFlags): Promise<void> {
  const paths = findPaths(this, flags.home);
  const loaded = await loadForCommand(this, paths, { config: flags.config });
  const settings = listSettings(loaded);
  if (flags.json) {
    return printJson(this, {
      files: loaded.files,
      settings: settings.map(({ key, value, origin }) => ({
        key,
        value,
        ...(flags.origin ? { origin: { ...origin } } : {}),
      })),
    });
  }
  const rows = settings.map(({ key, value, origin }) => [
    key,
    "=",
    value === null ? "-" : JSON.stringify(value),
    ...(flags.origin ? [`# ${originText(origin)}`] : []),
  ]);
  this.process.stdout.write(table(rows));
}

function originText(origin: Origin): string {
  if (origin.kind === "default") return "default";
  const place = origin.line === undefined ? origin.name : `${origin.name}:${origin.line}`;
  return `${origin.kind} ${place}`;
}

/** `synth state` @module */
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { homeFlag, jsonFlag } from "./flags.ts";
import type { StateFlags } from "./state_backup.ts";

const directory = {
  kind: "tuple",
  parameters: [{ brief: "Directory of the backup", parse: String, placeholder: "directory" }],
} as const;

const backup = buildCommand<StateFlags, [string], CliContext>({
  loader: async () => (await import("./state_backup.ts")).runStateBackup,
  parameters: { flags: { home: homeFlag, json: jsonFlag }, positional: directory },
  docs: {
    brief: "Copy databases and keys into a new directory, also while the gateway runs",
    fullDescription: [
      "Copies state.db, ledger.db, keys and trust of SYNTH_HOME into a new directory that only you can",
      "read. It holds secrets. A gateway may run meanwhile.",
      "",
      "EXAMPLES",
      "  synth state backup ~/backups/synth-2026-11-22",
    ].join("\n"),
  },
});

const restore = buildCommand<StateFlags, [string], CliContext>({
  loader: async () => (await import("./state_restore.ts")).runStateRestore,
  parameters: { flags: { home: homeFlag, json: jsonFlag }, positional: directory },
  docs: {
    brief: "Put a backup in the place of the state; no gateway may run",
    fullDescription: [
      "Checks a backup and puts it in the place of the state. What was there is moved aside, never",
      "deleted. Sessions go back to what they had used then: what was used since is forgotten.",
      "",
      "EXAMPLES",
      "  synth state restore ~/backups/synth-2026-11-22",
    ].join("\n"),
  },
});

/** The commands about the state directory. */
export const stateRoutes = buildRouteMap<string, CliContext>({
  routes: { backup, restore },
  docs: { brief: "Back up and restore the state" },
});

/** `synth scan` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";
import { clientFlags, optionalFlag } from "./flags.ts";
import type { ScanFlags } from "./scan_run.ts";

/** The command that finds task apps. */
export const scanCommand = buildCommand<ScanFlags, [], CliContext>({
  loader: async () => (await import("./scan_run.ts")).runScan,
  parameters: {
    flags: {
      ...clientFlags,
      portRange: optionalFlag("Local ports, START:END or one (8000:8100)", "range", String),
      timeout: optionalFlag("Seconds for one request (2)", "s", seconds),
      deadline: optionalFlag("Seconds for the whole scan (10)", "s", seconds),
      apiKey: optionalFlag(
        "The task apps' key. Others can read it in the list of processes: set ENVIRONMENT_API_KEY instead",
        "key",
        String,
      ),
      sendKey: {
        kind: "boolean",
        brief: "Send the key to everything that is found, not only to known task apps",
        default: false,
      },
      all: { kind: "boolean", brief: "Also list servers that are no task apps", default: false },
      watch: { kind: "boolean", brief: "Scan again and again", default: false },
      interval: optionalFlag("Seconds between scans with --watch (5)", "s", seconds),
      failOn: {
        kind: "enum",
        values: ["unhealthy", "degraded"],
        brief: "Exit with 6 when an app is not well: unhealthy, or degraded and worse",
        optional: true,
      },
      requireOne: {
        kind: "boolean",
        brief: "Exit with 3 when nothing was found",
        default: false,
      },
      verbose: { kind: "boolean", brief: "Tell on stderr what is asked", default: false },
      envFile: {
        kind: "parsed",
        parse: String,
        brief: "Not used any more",
        optional: true,
        hidden: true,
      },
    },
  },
  docs: {
    brief: "Find running task apps and check their health",
    fullDescription: [
      "Finds task apps on local ports, in the service records, behind tunnels, and at the backend,",
      "and asks each for its health. The key goes only to what your records name, and to what says",
      "on this machine that it is a task app.",
      "",
      "EXAMPLES",
      "  synth scan",
      "  synth scan --port-range 8000:9000 --json",
      "  synth scan --require-one --fail-on unhealthy && echo ready",
      "  synth scan --watch",
    ].join("\n"),
  },
});

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0) || value > 86_400) {
    throw new RangeError(`"${text}" is no number of seconds above 0`);
  }
  return value;
}

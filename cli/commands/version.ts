/** `synth version` @module */
import { buildCommand } from "@stricli/core";
import type { CliContext } from "../context.ts";

/** Prints the version. */
export const versionCommand = buildCommand<{ json: boolean }, [], CliContext>({
  loader: async () => (await import("./version_run.ts")).runVersion,
  parameters: { flags: { json: { kind: "boolean", brief: "Print JSON", default: false } } },
  docs: { brief: "Print the version" },
});

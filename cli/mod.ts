/**
 * The `synth` command as a function.
 *
 * ```ts
 * import { processContext, runCli } from "@synth/cli";
 *
 * const exitCode = await runCli(["version"], processContext());
 * ```
 *
 * @module
 */
export { type CliContext, processContext, type Stream } from "./context.ts";
export { runCli } from "./run.ts";

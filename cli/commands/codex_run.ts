/** What `synth codex` does. @module */
import type { CliContext } from "../context.ts";
import { codexAgent } from "../launch/codex.ts";
import { launch, type LaunchFlags } from "../launch/launch.ts";

/** Starts Codex. */
export async function runCodex(
  this: CliContext,
  flags: LaunchFlags,
  ...args: string[]
): Promise<void> {
  await launch(this, codexAgent, flags, args);
}

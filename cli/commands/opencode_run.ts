/** What `synth opencode` does. @module */
import type { CliContext } from "../context.ts";
import { opencodeAgent } from "../launch/opencode.ts";
import { launch, type LaunchFlags } from "../launch/launch.ts";

/** Starts opencode. */
export async function runOpencode(
  this: CliContext,
  flags: LaunchFlags,
  ...args: string[]
): Promise<void> {
  await launch(this, opencodeAgent, flags, args);
}

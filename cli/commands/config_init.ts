/** What `synth config init` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { CONFIG_TEMPLATE } from "@synth/core/config";
import { createPrivateFile, makePrivateDirectory } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";

/** Flags of the command. */
export interface InitFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly stdout: boolean;
}

/** Writes the user's configuration unless there is one. */
export async function runConfigInit(this: CliContext, flags: InitFlags): Promise<void> {
  if (flags.stdout) return this.process.stdout.write(CONFIG_TEMPLATE);
  const path = findPaths(this, flags.home).userConfig;
  await makePrivateDirectory(path.replace(/[\\/][^\\/]*$/, ""));
  if (!await createPrivateFile(path, CONFIG_TEMPLATE)) {
    throw new SynthError(`${path} exists and stays as it is`, {
      code: "config_exists",
      exitCode: EXIT.failed,
      hint: "synth config init --stdout prints the text",
    });
  }
  if (flags.json) return printJson(this, { path });
  printLine(this, path);
  say(this, "Fill in the upstream, then: synth config show && synth up");
}

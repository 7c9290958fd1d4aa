/** The configuration as a command sees it. @module */
import { loadConfig, type LoadedConfig } from "@synth/core/config";
import type { CliContext } from "../context.ts";
import { say } from "../output/print.ts";
import { readText } from "./files.ts";
import { absolute, type Paths } from "./paths.ts";
import { readTrust } from "./trust_file.ts";

/** What a command's flags say about the configuration. */
export interface ConfigFlags {
  /** `--config` */
  readonly config?: string | undefined;
  /** Settings that flags overrule, by dotted name. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Loads the configuration and says what is odd about it on stderr. */
export async function loadForCommand(
  context: CliContext,
  paths: Paths,
  flags: ConfigFlags,
): Promise<LoadedConfig> {
  const loaded = await loadConfig({
    env: context.env,
    cwd: context.cwd,
    userPath: paths.userConfig,
    readFile: readText,
    flags: flags.settings ?? {},
    isTrusted: async (mark) => [...(await readTrust(paths.trust)).values()].includes(mark),
    ...(flags.config === undefined ? {} : { explicitPath: absolute(context, flags.config) }),
  });
  for (const warning of loaded.warnings) say(context, `warning: ${warning}`);
  return loaded;
}

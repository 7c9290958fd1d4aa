/** The programs of the platforms that task apps are deployed to. @module */
import { createLogger, EXIT, type Logger, SynthError } from "@synth/core";
import { ModalCli, type Platforms, type ProgramCommand, WranglerCli } from "@synth/task-app/deploy";
import type { CliContext } from "../context.ts";
import { findProgram } from "../launch/find_program.ts";
import { say } from "../output/print.ts";
import { absolute, type Paths } from "../state/paths.ts";

/** Version of wrangler that is fetched by npx when there is none on the PATH. */
const WRANGLER = "wrangler@4.86.0";

/** Secrets of ours that no platform's program needs. */
const OURS = new Set(["SYNTH_API_KEY", "ENVIRONMENT_API_KEY", "SYNTH_SEAL_KEYS"]);

/** Path of the Modal CLI. @throws {SynthError} `modal_not_found`, exit code 127 */
export async function findModal(context: CliContext, given: string | undefined): Promise<string> {
  const found = given === undefined
    ? await findProgram(context, "modal")
    : await fileOrNull(absolute(context, given));
  if (found !== null) return found;
  throw new SynthError(
    given === undefined ? "There is no modal on the PATH" : `There is no program ${given}`,
    {
      code: "modal_not_found",
      exitCode: EXIT.missingProgram,
      hint: "Run pip install modal, or name the program with --modal-cli",
    },
  );
}

/** What a platform's program gets of our environment. */
export function platformEnvironment(context: CliContext): Record<string, string> {
  return Object.fromEntries(
    Object.entries(context.env).flatMap(([name, value]) =>
      value === undefined || OURS.has(name) ? [] : [[name, value]]
    ),
  );
}

/** Wrangler: on the PATH, else by npx. @throws {SynthError} `wrangler_not_found`, exit code 127 */
export async function wranglerOf(
  context: CliContext,
  paths: Paths,
  print?: ProgramCommand["print"],
): Promise<WranglerCli> {
  const own = await findProgram(context, "wrangler");
  const npx = own ?? await findProgram(context, "npx");
  if (npx === null) {
    throw new SynthError("There is neither wrangler nor npx on the PATH", {
      code: "wrangler_not_found",
      exitCode: EXIT.missingProgram,
      hint: "Install Node.js, which has npx, or wrangler itself",
    });
  }
  return new WranglerCli({
    program: npx,
    before: own === null ? ["--yes", WRANGLER] : [],
    env: platformEnvironment(context),
    // A configuration of the working directory is about something else.
    cwd: paths.home,
    ...(print === undefined ? {} : { print }),
  });
}

/** Finds the program with which a deployment was made. */
export function platformsOf(
  context: CliContext,
  paths: Paths,
  print?: ProgramCommand["print"],
): Platforms {
  return {
    modal: async ({ program }) =>
      new ModalCli({
        program: await findModal(context, program),
        env: platformEnvironment(context),
        cwd: paths.home,
        ...(print === undefined ? {} : { print }),
      }),
    wrangler: () => wranglerOf(context, paths, print),
  };
}

/** Tells of records that were not readable: what they named may run. */
export function recordsLog(context: CliContext): Logger {
  return createLogger({ write: (line) => say(context, line), level: "warn" });
}

async function fileOrNull(path: string): Promise<string | null> {
  try {
    return (await Deno.stat(path)).isFile ? path : null;
  } catch {
    return null;
  }
}

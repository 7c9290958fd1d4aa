/** Finds programs on the PATH. @module */
import { EXIT, SynthError } from "@synth/core";
import type { CliContext } from "../context.ts";
import { joinPath } from "../state/paths.ts";
import type { Agent } from "./agent.ts";

/** Path of an agent's program. @throws {SynthError} `agent_not_found`, exit code 127 */
export async function findAgent(context: CliContext, agent: Agent): Promise<string> {
  const found = await findProgram(context, agent.name);
  if (found !== null) return found;
  throw new SynthError(`${agent.title} is not installed: there is no ${agent.name} on the PATH`, {
    code: "agent_not_found",
    exitCode: EXIT.missingProgram,
    hint: `Install it, then try again: ${agent.install.join("  or  ")}`,
  });
}

/** Path of a program, `null` when no directory of the PATH has it. */
export async function findProgram(
  context: Pick<CliContext, "env" | "os">,
  name: string,
): Promise<string | null> {
  const windows = context.os === "windows";
  const directories = (context.env.PATH ?? context.env.Path ?? "").split(windows ? ";" : ":");
  const endings = windows ? [".exe", ".cmd", ".bat"] : [""];
  for (const directory of directories) {
    if (directory === "") continue;
    for (const ending of endings) {
      const path = joinPath(context, directory, name + ending);
      if (await isProgram(path, windows)) return path;
    }
  }
  return null;
}

async function isProgram(path: string, windows: boolean): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && (windows || ((mode ?? 0) & 0o111) !== 0);
  } catch {
    return false;
  }
}

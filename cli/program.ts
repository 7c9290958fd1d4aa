/** The whole program, under one name or the other. @module */
import { systemClock } from "@synth/core";
import { processContext } from "./context.ts";
import { runCli } from "./run.ts";
import { wantsNotice } from "./update/wants_notice.ts";

/** Runs the command of the command line and ends the process. */
export async function runProgram(name?: string): Promise<never> {
  const context = processContext(name);
  const code = await runCli(Deno.args, context);
  // Shells ask for completions while someone types.
  const talks = !/^(?:__complete|completions)$/.test(Deno.args[0] ?? "");
  if (talks && wantsNotice(context)) {
    const { noticeUpdate } = await import("./update/notice.ts");
    await noticeUpdate(context, systemClock);
  }
  Deno.exit(code);
}

/** The same without a second process: the task app lives as long as the evaluation. @module */
import { createLogger } from "@synth/core";
import { InProcessTaskApp } from "@synth/task-app/in-process";
import { type ExampleCommand, runCommand } from "./command.ts";

/** Serves a file on a free port with a random key, evaluates it, and stops it. @returns the exit code */
export async function serveAndEvaluate(file: URL, command: ExampleCommand): Promise<number> {
  if (Deno.args.some((arg) => arg === "--help" || arg === "-h")) {
    return await runCommand(command, Deno.args);
  }
  await using app = await InProcessTaskApp.start({
    taskAppPath: file,
    tunnelMode: "local",
    port: 0,
    generateApiKey: true,
    handleSignals: false,
    records: false,
    // The rollouts are told by runCommand; here only what goes wrong.
    // deno-lint-ignore no-console
    log: createLogger({ write: (line) => console.error(line), level: "warn" }),
  });
  const { url, apiKey } = app;
  if (url === null || apiKey === null) throw new Error("The task app has no address or no key");
  return await runCommand(command, [...Deno.args, "--url", url], apiKey);
}

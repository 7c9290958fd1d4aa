/** A runner that tells when something is started. @module */
import type { DetachedProcess } from "../../processes/detached_process.ts";
import { type CommandRunner, systemRunner } from "../cloudflared/command_runner.ts";

/** This machine's programs; `started` resolves with the first that is started in the background. */
export function watchedRunner(): CommandRunner & { readonly started: Promise<DetachedProcess> } {
  const started = Promise.withResolvers<DetachedProcess>();
  return {
    ...systemRunner,
    started: started.promise,
    start: async (command) => {
      const child = await systemRunner.start(command);
      started.resolve(child);
      return child;
    },
  };
}

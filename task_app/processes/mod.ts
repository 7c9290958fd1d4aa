/**
 * Programs in the background: started so that they outlive us, written to a log of their own, ended only when they are provably ours. Needs Deno on
 * Unix or Windows, and the right to run programs.
 *
 * ```ts ignore
 * import { createLogFile, startDetached } from "@synth/task-app/processes";
 * import { systemClock } from "@synth/core";
 *
 * await createLogFile("app.log");
 * const child = await startDetached({ program: "deno", args: ["run", "app.ts"], env: {}, logFile: "app.log" });
 * await child.end({ clock: systemClock, graceMs: 5_000 });
 * ```
 *
 * @module
 */
export {
  type DetachedCommand,
  type DetachedProcess,
  type EndOptions,
  type ProcessExit,
  RELEASE,
  startDetached,
} from "./detached_process.ts";
export { endProcess, type EndProcessOptions } from "./end_process.ts";
export {
  boundLogFile,
  createLogFile,
  followLog,
  type FollowOptions,
  LOG_LIMIT_BYTES,
  readLogTail,
} from "./log_file.ts";

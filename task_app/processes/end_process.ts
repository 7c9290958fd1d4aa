/** Ends a process that another one of ours has started. @module */
import { type Clock, SynthError } from "@synth/core";
import type { ProcessProbe } from "../records/process_identity.ts";
import type { ProcessIdentity } from "../records/types.ts";
import { killGroup, notEnded } from "./detached_process.ts";

const FIRST_WAIT_MS = 20;
const LONGEST_WAIT_MS = 250;
const KILL_MS = 10_000;

/** How it is ended. */
export interface EndProcessOptions {
  readonly processes: ProcessProbe;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** @default {the system's} */
  readonly kill?: (pid: number, how: "SIGTERM" | "SIGKILL") => void;
}

/**
 * Ends the very process that a record names. One that only has its number is never touched: what cannot be proved to be ours is refused.
 *
 * @returns `gone` when it had ended before
 * @throws {SynthError} `process_unknown`, `process_not_ended`
 */
export async function endProcess(
  process: ProcessIdentity,
  options: EndProcessOptions,
): Promise<"ended" | "gone"> {
  const { processes, graceMs, kill = killProcess } = options;
  const state = await processes.state(process);
  if (state === "gone") return "gone";
  if (state === "unknown") throw unknown(process);
  kill(process.pid, "SIGTERM");
  if (await ends(process, graceMs, options)) return "ended";
  // Asked again right before: its number may be another's by now.
  if (await processes.state(process) === "running") kill(process.pid, "SIGKILL");
  if (await ends(process, KILL_MS, options)) return "ended";
  throw notEnded(process.pid);
}

async function ends(
  process: ProcessIdentity,
  ms: number,
  { clock, processes }: EndProcessOptions,
): Promise<boolean> {
  const end = clock.monotonic() + ms;
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    if (await processes.state(process) === "gone") return true;
    if (clock.monotonic() >= end) return false;
    await clock.sleep(wait);
  }
}

function killProcess(pid: number, how: "SIGTERM" | "SIGKILL"): void {
  if (how === "SIGKILL") return killGroup(pid);
  try {
    Deno.kill(pid, how);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function unknown({ pid }: ProcessIdentity): SynthError {
  return new SynthError(
    `It cannot be proved that the process ${pid} is the one that was recorded`,
    {
      code: "process_unknown",
      status: 409,
      hint:
        "It was recorded on another machine or in another container, or its start was not readable: end it there, or by hand if you know it",
    },
  );
}

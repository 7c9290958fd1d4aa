/** What `synth tunnel logs` does. @module */
import { EXIT, redactText, SynthError, systemClock } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { followLog, readLogTail } from "@synth/task-app/processes";
import { TunnelStates } from "@synth/task-app/tunnels";
import type { CliContext } from "../context.ts";
import { findPaths } from "../state/paths.ts";

/** Flags of the command. */
export interface TunnelLogsFlags {
  readonly home?: string;
  readonly follow: boolean;
  readonly lines?: number;
}

const DEFAULT_LINES = 100;
const TAIL_BYTES = 1024 * 1024;

/** Prints the end of a tunnel's log, and perhaps what comes. */
export async function runTunnelLogs(
  this: CliContext,
  flags: TunnelLogsFlags,
  id: string,
): Promise<void> {
  const states = new TunnelStates({ home: findPaths(this, flags.home).home });
  const { logFile: path } = await states.get(id);
  const found = await Deno.stat(path).catch(() => null);
  if (found === null) {
    throw new SynthError(`The tunnel ${id} has no log`, {
      code: "log_not_found",
      exitCode: EXIT.notFound,
    });
  }
  const lines = (await readLogTail(path, TAIL_BYTES)).split("\n");
  if (lines.at(-1) === "") lines.pop();
  const count = flags.lines ?? DEFAULT_LINES;
  for (const line of count === 0 ? [] : lines.slice(-count)) printLog(this, line);
  if (flags.follow) await follow(this, states, id, path, found.size);
}

async function follow(
  context: CliContext,
  states: TunnelStates,
  id: string,
  path: string,
  from: number,
): Promise<void> {
  const stop = new AbortController();
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort());
  // Its closing takes the record away.
  const goesOn = async () => {
    const tunnel = await states.get(id).catch(() => null);
    return tunnel !== null && tunnel.state !== "ended" && !context.process.stdout.gone();
  };
  try {
    let rest = "";
    const pieces = followLog(path, { clock: systemClock, signal: stop.signal, from, goesOn });
    for await (const piece of pieces) {
      const parts = (rest + piece).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) printLog(context, line);
    }
    if (rest !== "") printLog(context, rest);
    if (stop.signal.aborted) context.process.exitCode = EXIT.interrupted;
  } finally {
    unlisten();
  }
}

/** A program's words: without secrets, and nothing that moves the cursor. */
function printLog(context: CliContext, line: string): void {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const clean = redactText(line).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, " ");
  context.process.stdout.write(`${clean}\n`);
}

/** What `synth tunnel close` does. @module */
import { EXIT, SynthError } from "@synth/core";
import { TunnelStates } from "@synth/task-app/tunnels";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";

/** Flags of the command. */
export interface TunnelCloseFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly all: boolean;
}

/** What became of one. */
interface Closed {
  readonly id: string;
  /** `gone`: its program had ended before. */
  readonly result: "closed" | "gone" | "failed";
  readonly error?: string;
}

/** Closes a tunnel, or all of them. */
export async function runTunnelClose(
  this: CliContext,
  flags: TunnelCloseFlags,
  id?: string,
): Promise<void> {
  if ((id === undefined) === !flags.all) {
    throw new SynthError("Say which tunnel", {
      code: "usage",
      exitCode: EXIT.usage,
      hint: "Write synth tunnel close ID, or --all; synth tunnel list shows the ids",
    });
  }
  const states = new TunnelStates({ home: findPaths(this, flags.home).home });
  if (id !== undefined) return report(this, flags, [{ id, result: await states.close(id) }]);
  const ids = (await states.list()).map(({ record }) => record.id);
  const closed = await Promise.all(ids.map((one) => closeOne(states, one)));
  report(this, flags, closed);
  if (closed.some(({ result }) => result === "failed")) this.process.exitCode = EXIT.failed;
}

/** One that cannot be closed keeps no other open. */
async function closeOne(states: TunnelStates, id: string): Promise<Closed> {
  try {
    return { id, result: await states.close(id) };
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    // Another process was faster.
    if (error.code === "tunnel_not_found") return { id, result: "gone" };
    return { id, result: "failed", error: error.toCliMessage() };
  }
}

function report(context: CliContext, flags: TunnelCloseFlags, closed: readonly Closed[]): void {
  for (const { id, result, error } of closed) {
    if (result === "failed") say(context, `${id}: ${error}`);
    else say(context, result === "closed" ? `${id} is closed` : `${id} had ended before`);
  }
  if (closed.length === 0) say(context, "There are no tunnels");
  if (flags.json) printJson(context, flags.all ? closed : closed[0]);
}

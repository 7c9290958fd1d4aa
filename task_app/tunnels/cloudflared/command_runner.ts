/** Runs programs: the port that a test replaces. @module */
import { SynthError } from "@synth/core";
import { whenWritten } from "../../processes/when_written.ts";
import {
  type DetachedCommand,
  type DetachedProcess,
  startDetached,
} from "../../processes/detached_process.ts";

/** What a program that was run to its end has left. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
}

/** Runs programs. */
export interface CommandRunner {
  /** Runs one to its end, or to the signal's, which kills it. @throws {SynthError} `program_not_runnable`; the signal's reason */
  run(
    program: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<RunResult>;
  /** Starts one that outlives us. */
  start(command: DetachedCommand): Promise<DetachedProcess>;
}

/** This machine's programs. */
export const systemRunner: CommandRunner = { run, start: startDetached };

async function run(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<RunResult> {
  const child = await whenWritten(() => spawn(program, args, env), signal);
  const killed = Promise.withResolvers<never>();
  const onAbort = () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    // What it has started may hold its output open: nobody waits for that.
    void child.stdout.cancel().catch(() => {});
    killed.reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const output = readAll(child.stdout);
    output.catch(() => {});
    const { code } = await Promise.race([child.status, killed.promise]);
    return { code, stdout: await Promise.race([output, killed.promise]) };
  } finally {
    signal.removeEventListener("abort", onAbort);
    killed.promise.catch(() => {});
  }
}

function spawn(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      env: { ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SynthError(`${program} cannot be started: ${why}`, {
      code: "program_not_runnable",
      exitCode: 127,
      cause,
    });
  }
}

/** The first 4096 characters; the rest is read and dropped. */
async function readAll(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    if (text.length < 4096) text += piece.slice(0, 4096 - text.length);
  }
  return text;
}

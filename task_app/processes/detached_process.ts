/** A child process that outlives its parent. @module */
import { type ChildProcess, spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { type Clock, EXIT, SynthError } from "@synth/core";
import { whenWritten } from "./when_written.ts";

/** Milliseconds that the system has to end a process that was killed. */
const KILL_MS = 10_000;

/** What is run. */
export interface DetachedCommand {
  readonly program: string;
  /** Others can read them in the list of processes: never a secret. */
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Takes what the program prints, both streams, at its end; made (0600) when it is missing. */
  readonly logFile: string;
  /** Its standard input stays open, and empty, until {@linkcode DetachedProcess.release}: a program that waits for its end begins nothing that nobody knows of. @default {false} */
  readonly gated?: boolean;
}

/** What a gated program reads when it is released. When we end before, it reads nothing. */
export const RELEASE = "go";

/** How a process ended. */
export interface ProcessExit {
  /** `null` when a signal ended it. */
  readonly code: number | null;
  readonly signal: string | null;
}

/** How a process is ended. */
export interface EndOptions {
  readonly clock: Pick<Clock, "after">;
  /** Milliseconds between SIGTERM and SIGKILL. */
  readonly graceMs: number;
}

/** A process in a session of its own: no terminal and no signal to our group reaches it. */
export interface DetachedProcess {
  readonly pid: number;
  /** Resolves when it has ended. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** Sends SIGTERM, then SIGKILL to its whole group. Resolves when it has ended. @throws {SynthError} `process_not_ended` */
  end(options: EndOptions): Promise<ProcessExit>;
  /** Lets a gated program go on. */
  release(): void;
  /** Lets us exit while it runs. */
  unref(): void;
}

/**
 * Starts a program that stays when we go. What it prints goes straight into the file, through no pipe of ours: it can neither block on us nor break.
 *
 * @throws {SynthError} `program_not_runnable`, exit code 127
 */
export async function startDetached(command: DetachedCommand): Promise<DetachedProcess> {
  const log = await open(command.logFile, "a", 0o600);
  try {
    return await whenWritten(() => startWith(command, log.fd));
  } finally {
    await log.close();
  }
}

async function startWith(command: DetachedCommand, fd: number): Promise<DetachedProcess> {
  const child = spawn(command.program, [...command.args], {
    detached: true,
    windowsHide: true,
    stdio: [command.gated === true ? "pipe" : "ignore", fd, fd],
    env: { ...command.env },
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  });
  const exited = new Promise<ProcessExit>((resolve) => {
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  // It may have ended before it was released.
  child.stdin?.on("error", () => {});
  const pid = await started(child, command.program);
  return {
    pid,
    exited,
    end: (options) => end(child, pid, exited, options),
    release: () => void child.stdin?.end(RELEASE),
    unref: unrefOf(child),
  };
}

function unrefOf(child: ChildProcess): () => void {
  return () => child.unref();
}

function started(child: ChildProcess, program: string): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (cause) =>
      reject(
        new SynthError(`${program} cannot be started: ${cause.message}`, {
          code: "program_not_runnable",
          exitCode: EXIT.missingProgram,
          cause,
        }),
      ));
    if (child.pid !== undefined) resolve(child.pid);
  });
}

async function end(
  child: ChildProcess,
  pid: number,
  exited: Promise<ProcessExit>,
  { clock, graceMs }: EndOptions,
): Promise<ProcessExit> {
  // Deno's `signalCode` tells what was sent, not what has ended it: the event alone is the truth.
  const ended = await Promise.race([exited, Promise.resolve(null)]);
  if (ended !== null) return ended;
  child.kill("SIGTERM");
  const early = await within(exited, graceMs, clock);
  if (early !== null) return early;
  killGroup(pid);
  const late = await within(exited, KILL_MS, clock);
  if (late !== null) return late;
  throw notEnded(pid);
}

async function within(
  exited: Promise<ProcessExit>,
  ms: number,
  clock: Pick<Clock, "after">,
): Promise<ProcessExit | null> {
  const late = Promise.withResolvers<null>();
  const cancel = clock.after(ms, () => late.resolve(null));
  try {
    return await Promise.race([exited, late.promise]);
  } finally {
    cancel();
  }
}

/** SIGKILL for a process that leads a group, and for all that it has started. */
export function killGroup(pid: number): void {
  if (Deno.build.os !== "windows") {
    try {
      Deno.kill(-pid, "SIGKILL");
      return;
    } catch {
      // It leads no group, or has ended.
    }
  }
  try {
    Deno.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

/** A process that the system does not end. */
export function notEnded(pid: number): SynthError {
  return new SynthError(`The process ${pid} does not end`, {
    code: "process_not_ended",
    status: 500,
    hint: "It hangs in the system; look at it with ps",
  });
}

/** Runs a program to its end and keeps what it prints. @module */
import { EXIT, SynthError } from "@synth/core";

/** Characters of an output that are kept, its last ones. */
const KEPT = 256 * 1024;

/** What is run. */
export interface ProgramCommand {
  readonly program: string;
  /** Others can read them in the list of processes: never a secret. */
  readonly args: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Text on its standard input. @default {none} */
  readonly stdin?: string;
  /** Ends it: SIGINT, which lets it undo what it has begun, then SIGKILL. */
  readonly signal: AbortSignal;
  /** Milliseconds between the two. @default {10_000} */
  readonly graceMs?: number;
  /** Told what it prints, both streams, as it comes. */
  readonly print?: (text: string, stream: "stdout" | "stderr") => void;
}

/** What a program has left. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const GRACE_MS = 10_000;

/** Runs a program. What it has started and left running is not waited for once it was killed. @throws {SynthError} `program_not_runnable`, exit code 127; the signal's reason once the program has ended */
export async function runProgram(command: ProgramCommand): Promise<ProgramResult> {
  const { signal, print, stdin } = command;
  signal.throwIfAborted();
  const child = spawn(command);
  const cut = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const onAbort = () => {
    kill(child, Deno.build.os === "windows" ? "SIGKILL" : "SIGINT");
    timer = setTimeout(() => {
      kill(child, "SIGKILL");
      // What it has started may hold its output open: nobody waits for that.
      cut.abort(signal.reason);
    }, command.graceMs ?? GRACE_MS);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const [{ code }, stdout, stderr] = await Promise.all([
      child.status,
      collect(child.stdout, cut.signal, (text) => print?.(text, "stdout")),
      collect(child.stderr, cut.signal, (text) => print?.(text, "stderr")),
      stdin === undefined ? null : feed(child, stdin),
    ]);
    signal.throwIfAborted();
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

function spawn({ program, args, env, cwd, stdin }: ProgramCommand): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      env: { ...env },
      cwd,
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SynthError(`${program} cannot be started: ${why}`, {
      code: "program_not_runnable",
      exitCode: EXIT.missingProgram,
      cause,
    });
  }
}

async function feed(child: Deno.ChildProcess, text: string): Promise<void> {
  try {
    await new Blob([text]).stream().pipeTo(child.stdin);
  } catch {
    // It did not want to read: its code says how that went.
  }
}

async function collect(
  stream: ReadableStream<Uint8Array>,
  cut: AbortSignal,
  print: (text: string) => void,
): Promise<string> {
  let text = "";
  const pieces = stream.pipeThrough(new TextDecoderStream(), { signal: cut });
  for await (const piece of pieces) {
    print(piece);
    text = (text + piece).slice(-KEPT);
  }
  return text;
}

function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}

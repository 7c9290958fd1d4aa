/** Runs a program to its end, or to a deadline. @module */

/** What a program left behind. */
export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is run. */
export interface ProgramOptions {
  readonly args: string[];
  readonly cwd: string;
  /** Its environment, with nothing of ours but `PATH`. */
  readonly env: Record<string, string>;
  /** Text on its standard input. @default {closed} */
  readonly stdin?: string;
  /** Milliseconds until it is killed. @default {60000} */
  readonly deadline?: number;
}

/** Runs a program. @throws {Error} when it does not end before the deadline */
export async function runProgram(path: string, options: ProgramOptions): Promise<ProgramResult> {
  const deadline = options.deadline ?? 60_000;
  const child = new Deno.Command(path, {
    args: options.args,
    cwd: options.cwd,
    clearEnv: true,
    env: { PATH: Deno.env.get("PATH") ?? "", ...options.env },
    stdin: options.stdin === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, deadline);
  try {
    if (options.stdin !== undefined) {
      await new Blob([options.stdin]).stream().pipeTo(child.stdin);
    }
    const output = await child.output();
    const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    const stdout = decode(output.stdout);
    const stderr = decode(output.stderr);
    if (late) throw new Error(`${path} did not end in ${deadline} ms:\n${stdout}\n${stderr}`);
    return { code: output.code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

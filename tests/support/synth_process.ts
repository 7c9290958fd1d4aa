/** The `synth` command in a process of its own. @module */

/** How a command is run. */
export interface SynthOptions {
  /** The whole environment, besides what Deno itself needs. */
  readonly env?: Record<string, string>;
  /** @default {a directory without a configuration} */
  readonly cwd?: string;
  /** File in `cli/`. @default {"main.ts"} */
  readonly entry?: string;
  /** More permissions than a user gives, without `--allow-`. */
  readonly permissions?: readonly string[];
}

/** What a command that ended has left. */
export interface SynthResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. Disposing kills it, unless it has ended. */
export interface SynthProcess extends AsyncDisposable {
  readonly child: Deno.ChildProcess;
  /** Resolves with all of stderr so far once it contains the text; rejects when the process ends without. */
  saysOnStderr(text: string): Promise<string>;
  /** Resolves with all of stdout so far once it meets the condition; rejects when the process ends without. */
  stdoutUntil(condition: (text: string) => boolean): Promise<string>;
  /** Resolves with the first line of stdout; rejects when the process ends without. */
  firstLine(): Promise<string>;
  readonly result: Promise<SynthResult>;
}

/** Permissions that `deno task start` gives. */
const PERMISSIONS = ["net", "env", "read", "write", "sys"].map((name) => `--allow-${name}`);

/** Starts `synth ARGS`. */
export function startSynth(args: readonly string[], options: SynthOptions = {}): SynthProcess {
  const entry = new URL(`../../cli/${options.entry ?? "main.ts"}`, import.meta.url);
  const more = (options.permissions ?? []).map((name) => `--allow-${name}`);
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", ...PERMISSIONS, ...more, entry.href, ...args],
    cwd: options.cwd ?? new URL("../support", import.meta.url),
    clearEnv: true,
    env: { ...inherited(), ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const result = Promise.all([child.status, stdout.all, stderr.all]).then(([status, out, err]) => ({
    code: status.code,
    stdout: out,
    stderr: err,
  }));
  return {
    child,
    result,
    saysOnStderr: (text) => stderr.until((soFar) => soFar.includes(text)),
    stdoutUntil: (condition) => stdout.until(condition),
    firstLine: async () =>
      (await stdout.until((soFar) => soFar.includes("\n"))).split("\n", 1)[0] ?? "",
    async [Symbol.asyncDispose](): Promise<void> {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await result;
    },
  };
}

/** Runs `synth ARGS` to its end. */
export async function runSynth(
  args: readonly string[],
  options: SynthOptions = {},
): Promise<SynthResult> {
  return await startSynth(args, options).result;
}

/** A directory that goes with the test. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "synth-test-" }));
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

/** What Deno needs to find its cache, and nothing that configures synth. */
function inherited(): Record<string, string> {
  const names = /^(?:PATH|HOME|DENO_.*|XDG_CACHE_HOME|LOCALAPPDATA|SystemRoot|TEMP|TMP|TMPDIR)$/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => names.test(name)),
  );
}

function collect(stream: ReadableStream<Uint8Array>): {
  readonly all: Promise<string>;
  until(condition: (text: string) => boolean): Promise<string>;
} {
  let text = "";
  let ended = false;
  let wake = Promise.withResolvers<void>();
  const read = async (): Promise<string> => {
    for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
      text += piece;
      wake.resolve();
      wake = Promise.withResolvers();
    }
    ended = true;
    wake.resolve();
    return text;
  };
  const all = read();
  return {
    all,
    async until(condition) {
      while (!condition(text)) {
        if (ended) throw new Error(`the process ended without it:\n${text}`);
        await wake.promise;
      }
      return text;
    },
  };
}

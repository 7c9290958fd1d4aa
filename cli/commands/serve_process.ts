/** A user's file, served by a process of its own. @module */
import { EXIT, newId, SynthError } from "@synth/core";
import { createPrivateFile } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { findProgram } from "../launch/find_program.ts";
import { joinPath } from "../state/paths.ts";
import { VERSION } from "../version.ts";
import { type FromChild, serveChild, type ToChild } from "./serve_child.ts";

/** Milliseconds that a child has to end by itself. */
const STOP_MS = 10_000;
/** Begins a message in what the child prints. */
export const RECORD_SEPARATOR = "\x1e";

/** Those of failures. */
const EXIT_CODES: ReadonlySet<number> = new Set(
  Object.values(EXIT).filter((code) => code !== EXIT.ok && code !== EXIT.interrupted),
);

/** Where a file's own toolkit is looked for. */
export const TOOLKITS: readonly string[] = [
  "@synth/task-app/in-process",
  `jsr:@synth/task-app@${VERSION}/in-process`,
];

/** What is run. */
export interface ServeJob {
  /** Path of the file, real and absolute. */
  readonly file: string;
  readonly deno: string;
  /** The child's program. */
  readonly runner: string;
  /** `deno.json` for the file; `null`: none. */
  readonly config: string | null;
  readonly permissions: readonly string[];
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Takes what the file prints. */
  readonly print: (text: string) => void;
}

/** A process that has loaded a file, and may listen. */
export class ServeProcess {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #messages: AsyncGenerator<FromChild>;
  #stopping: Promise<void> | null = null;
  /** What the file's app calls itself. */
  appId: string | null = null;

  readonly #job: ServeJob;
  readonly #mark: string = RECORD_SEPARATOR + newId("");

  /** Starts the process. @throws {SynthError} `deno_not_runnable`, exit code 127 */
  constructor(job: ServeJob) {
    this.#job = job;
    this.#child = spawn(job);
    this.#input = this.#child.stdin.getWriter();
    this.#messages = messagesOf(this.#child.stdout, this.#mark, job.print);
  }

  /** Has it load the file. @throws {SynthError} what the loading gave */
  async load(): Promise<void> {
    const file = fileUrl(this.#job.file);
    const loaded = await this.#ask(
      { do: "load", file, toolkits: TOOLKITS, mark: this.#mark },
      "load",
    );
    this.appId = loaded.did === "load" ? loaded.appId : null;
  }

  /** Resolves when it has ended, with its code. */
  get ended(): Promise<number> {
    return this.#child.status.then(({ code }) => code);
  }

  /** Lets it listen. @returns the port @throws {SynthError} `port_in_use`, `cannot_listen` */
  async listen(on: Omit<Extract<ToChild, { do: "listen" }>, "do">): Promise<number> {
    const listening = await this.#ask({ do: "listen", ...on }, "listen");
    void this.#drain();
    return listening.did === "listen" ? listening.port : 0;
  }

  /** Lets open requests finish and ends it; kills it when that takes too long. Idempotent. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  /** Ends it at once. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
  }

  async #stop(): Promise<void> {
    const timer = setTimeout(() => this.kill(), STOP_MS);
    try {
      await this.#send({ do: "stop" }).catch(() => {});
      void this.#drain();
      await this.#child.status;
    } finally {
      clearTimeout(timer);
      await this.#input.close().catch(() => {});
    }
  }

  /** What it prints has to be read, or it waits for a reader. */
  async #drain(): Promise<void> {
    try {
      while (!(await this.#messages.next()).done);
    } catch {
      // It was killed.
    }
  }

  async #ask(message: ToChild, wanted: FromChild["did"]): Promise<FromChild> {
    await this.#send(message).catch(() => {});
    const { value, done } = await this.#messages.next();
    if (done) {
      throw new SynthError(`The task app's process ended with code ${await this.ended}`, {
        code: "task_app_ended",
        hint: "What it printed says why",
      });
    }
    if (value.did === wanted) return value;
    throw failureOf(value as Extract<FromChild, { did: "fail" }>);
  }

  async #send(message: ToChild): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  }
}

/** The `deno` that runs users' files: this one, or from a compiled binary the one on the PATH. @throws {SynthError} `deno_not_found`, exit code 127 */
export async function findDeno(
  context: Pick<CliContext, "env" | "os">,
  standalone: boolean = Deno.build.standalone,
): Promise<string> {
  if (!standalone) return Deno.execPath();
  const found = await findProgram(context, "deno");
  if (found !== null) return found;
  throw new SynthError("A task app's file is run by deno, and there is none on the PATH", {
    code: "deno_not_found",
    exitCode: EXIT.missingProgram,
    hint: "Install Deno 2 (https://docs.deno.com/runtime/getting_started/installation)",
  });
}

/** Writes the child's program next to the state. Its name tells its content, so that several versions do not meet. */
export async function writeRunner(context: Pick<CliContext, "os">, home: string): Promise<string> {
  const text = `await (${serveChild.toString()})();\n`;
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  const name = `serve-${new Uint8Array(digest).toHex().slice(0, 16)}.mjs`;
  const path = joinPath(context, home, name);
  await createPrivateFile(path, text);
  return path;
}

/** The `deno.json` that a file's imports are resolved by: the nearest above it, else this checkout's. */
export async function findConfig(
  context: Pick<CliContext, "os">,
  file: string,
): Promise<string | null> {
  for (let dir = joinPath(context, file, "..");; dir = joinPath(context, dir, "..")) {
    for (const name of ["deno.json", "deno.jsonc"]) {
      const path = joinPath(context, dir, name);
      if (await isFile(path)) return path;
    }
    if (joinPath(context, dir, "..") === dir) break;
  }
  const own = new URL("../../deno.json", import.meta.url);
  if (own.protocol !== "file:" || Deno.build.standalone) return null;
  const path = decodeURIComponent(own.pathname);
  return await isFile(path) ? path : null;
}

/** The arguments of the `deno` that serves a file. */
export function denoArguments(job: ServeJob): string[] {
  const config = job.config === null ? ["--no-config"] : ["--config", job.config];
  return ["run", "--no-prompt", ...config, ...job.permissions, job.runner];
}

function spawn(job: ServeJob): Deno.ChildProcess {
  try {
    return new Deno.Command(job.deno, {
      args: denoArguments(job),
      cwd: job.cwd,
      clearEnv: true,
      env: { ...job.env },
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
  } catch (cause) {
    throw new SynthError(
      `${job.deno} cannot be started: ${cause instanceof Error ? cause.message : String(cause)}`,
      { code: "deno_not_runnable", exitCode: EXIT.missingProgram, cause },
    );
  }
}

async function* messagesOf(
  stream: ReadableStream<Uint8Array>,
  mark: string,
  print: (text: string) => void,
): AsyncGenerator<FromChild> {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + piece).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) {
      const at = line.indexOf(mark);
      if (at === -1) print(`${line}\n`);
      else {
        if (at > 0) print(line.slice(0, at));
        yield JSON.parse(line.slice(at + mark.length));
      }
    }
    // A progress bar has no line's end, and a file may print for hours without one.
    const shown = shownUntil(text, mark);
    if (shown > 0) print(text.slice(0, shown));
    text = text.slice(shown);
  }
  if (text !== "") print(text);
}

/** Where a message begins, or could begin, in a line whose end has not come. */
function shownUntil(text: string, mark: string): number {
  const whole = text.indexOf(mark);
  if (whole !== -1) return whole;
  const begun = text.lastIndexOf(RECORD_SEPARATOR);
  return begun !== -1 && mark.startsWith(text.slice(begun)) ? begun : text.length;
}

/** What a file has failed with. Its errors may be of any kind: an exit code that is none of ours says nothing. */
export function failureOf(failed: Extract<FromChild, { did: "fail" }>): SynthError {
  const { code, message, hint, exitCode } = failed;
  return new SynthError(message, {
    code,
    exitCode: EXIT_CODES.has(exitCode) ? exitCode : EXIT.failed,
    ...(hint === null ? {} : { hint }),
  });
}

/** A path as a URL, whatever it holds. */
export function fileUrl(path: string): string {
  const url = new URL("file:///");
  url.pathname = path.replaceAll("%", "%25").replaceAll("\\", "/").replaceAll("?", "%3F")
    .replaceAll("#", "%23");
  return url.href;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await Deno.stat(path)).isFile;
  } catch {
    return false;
  }
}

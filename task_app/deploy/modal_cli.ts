/** Drives the Modal CLI. @module */
import { EXIT, redactText, SynthError } from "@synth/core";
import {
  isModalStateUp,
  type ModalOutput,
  readModalOutput,
  readModalState,
} from "./modal_output.ts";
import { type ProgramCommand, type ProgramResult, runProgram } from "./run_program.ts";

const WORDS_SHOWN = 1500;
/** Milliseconds for a question about the state of apps. */
const ASK_MS = 20_000;

/** Where the CLI is, and how it is run. */
export interface ModalCliOptions {
  readonly program: string;
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Told what the CLI prints. */
  readonly print?: ProgramCommand["print"];
}

/** What Modal says of an app: `unknown` when it could not be asked. */
export type ModalState = "up" | "stopped" | "unknown";

/** The `modal` program, as a user has it. */
export class ModalCli {
  readonly #options: ModalCliOptions;

  constructor(options: ModalCliOptions) {
    this.#options = options;
  }

  /** Keeps variables as a secret of Modal's. @param file JSON, readable by its owner alone */
  async createSecret(name: string, file: string, signal: AbortSignal): Promise<void> {
    const args = ["secret", "create", "--force", "--from-json", file, name];
    await this.#succeed(args, signal);
  }

  /** Deploys a script. @returns what was printed @throws {SynthError} `modal_failed`, `modal_no_url` */
  async deploy(
    script: string,
    name: string | null,
    signal: AbortSignal,
  ): Promise<ModalOutput & { readonly url: string }> {
    const named = name === null ? [] : ["--name", name];
    const { stdout, stderr } = await this.#succeed(["deploy", ...named, script], signal);
    const output = readModalOutput(`${stdout}\n${stderr}`);
    const [url] = output.urls;
    if (url !== undefined) return { ...output, url };
    throw noModalUrl(`${stdout}\n${stderr}`);
  }

  /** Stops an app for good. One that has stopped already is fine. @throws {SynthError} `modal_failed` */
  async stop(nameOrId: string, signal: AbortSignal): Promise<void> {
    const result = await this.#run(["app", "stop", "--yes", nameOrId], signal);
    if (result.code === 0) return;
    if (await this.state(nameOrId, signal) === "stopped") return;
    throw failed(["app", "stop"], result);
  }

  /** Asks Modal for the state of an app. No container is woken for that. Never throws, but for the signal's reason. */
  async state(nameOrId: string, signal: AbortSignal): Promise<ModalState> {
    const inTime = AbortSignal.any([signal, AbortSignal.timeout(ASK_MS)]);
    try {
      const { code, stdout } = await runProgram({
        program: this.#options.program,
        args: ["app", "list", "--json"],
        env: modalEnvironment(this.#options.env),
        cwd: this.#options.cwd,
        signal: inTime,
      });
      const state = code === 0 ? readModalState(stdout, nameOrId) : undefined;
      if (state === undefined) return "unknown";
      return state !== null && isModalStateUp(state) ? "up" : "stopped";
    } catch {
      signal.throwIfAborted();
      return "unknown";
    }
  }

  /**
   * Prints the last entries of an app's log, or, followed, what comes until the signal.
   *
   * @param which.lines at least 1 @default {what the CLI thinks best}
   * @throws {SynthError} `modal_failed`
   */
  async logs(
    nameOrId: string,
    { follow, lines }: { readonly follow: boolean; readonly lines?: number | undefined },
    signal: AbortSignal,
  ): Promise<void> {
    // The CLI takes one or the other.
    const tail = lines === undefined ? [] : ["--tail", String(lines)];
    const which = follow ? ["--follow"] : tail;
    const result = await this.#run(["app", "logs", ...which, nameOrId], signal);
    if (result.code !== 0) throw failed(["app", "logs"], result);
  }

  async #succeed(args: readonly string[], signal: AbortSignal): Promise<ProgramResult> {
    const result = await this.#run(args, signal);
    if (result.code === 0) return result;
    throw failed(args.slice(0, args[0] === "secret" ? 2 : 1), result);
  }

  #run(args: readonly string[], signal: AbortSignal): Promise<ProgramResult> {
    const { program, env, cwd, print } = this.#options;
    return runProgram({
      program,
      args,
      env: modalEnvironment(env),
      cwd,
      signal,
      ...(print === undefined ? {} : { print }),
    });
  }
}

/** The CLI draws for a terminal and breaks long lines: an address has to stay in one piece. */
export function modalEnvironment(env: Readonly<Record<string, string>>): Record<string, string> {
  return {
    ...env,
    COLUMNS: "1000",
    NO_COLOR: "1",
    TERM: "dumb",
    PYTHONUNBUFFERED: "1",
    PYTHONIOENCODING: "utf-8",
  };
}

/** The program has printed no address. */
export function noModalUrl(text: string): SynthError {
  return new SynthError(`modal printed no address of a web server: ${shown(text)}`, {
    code: "modal_no_url",
    hint: "The script needs a function with @modal.web_server or another web decorator",
  });
}

function failed(words: readonly string[], { code, stdout, stderr }: ProgramResult): SynthError {
  const text = `${stdout}\n${stderr}`;
  const auth = /token missing|token (?:id|secret)|not authenticate|unauthenticated/i.test(text);
  return new SynthError(`modal ${words.join(" ")} ended with code ${code}: ${shown(text)}`, {
    code: auth ? "modal_not_logged_in" : "modal_failed",
    exitCode: auth ? EXIT.auth : EXIT.failed,
    ...(auth ? { hint: "Run modal token new, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET" } : {}),
  });
}

function shown(text: string): string {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const clean = redactText(text).replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]+/g, " ").trim();
  return clean.slice(-WORDS_SHOWN);
}

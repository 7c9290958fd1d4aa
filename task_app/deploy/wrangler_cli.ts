/** Drives `wrangler`. @module */
import { EXIT, redactText, SynthError } from "@synth/core";
import { type ProgramCommand, type ProgramResult, runProgram } from "./run_program.ts";

const WORDS_SHOWN = 1500;
const WORKER_URL =
  /https:\/\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.workers\.dev(?![a-z0-9-]|\.[a-z0-9])/i;

/** Where it is, and how it is run. */
export interface WranglerOptions {
  readonly program: string;
  /** Arguments before all others, such as those of `npx`. */
  readonly before: readonly string[];
  /** The whole environment, with `CLOUDFLARE_API_TOKEN`. */
  readonly env: Readonly<Record<string, string>>;
  /** A directory without configuration of its own. */
  readonly cwd: string;
  /** Told what it prints. */
  readonly print?: ProgramCommand["print"];
}

/** Cloudflare's program for Workers. */
export class WranglerCli {
  readonly #options: WranglerOptions;

  constructor(options: WranglerOptions) {
    this.#options = options;
  }

  /** Uploads what a configuration names. @returns the Worker's address @throws {SynthError} `wrangler_failed`, `worker_no_url` */
  async deploy(config: string, signal: AbortSignal): Promise<string> {
    const { stdout, stderr } = await this.#succeed(["deploy", "--config", config], signal);
    const url = WORKER_URL.exec(`${stdout}\n${stderr}`)?.[0];
    if (url !== undefined) return url.toLowerCase();
    throw new SynthError("wrangler printed no address on workers.dev", {
      code: "worker_no_url",
      hint: "Register a workers.dev subdomain for the account in Cloudflare's dashboard",
    });
  }

  /**
   * Sets secrets of a Worker; they travel over standard input.
   *
   * @param config that it was deployed with: without one, wrangler takes any that lies above its directory, and the account in it
   * @throws {SynthError} `wrangler_failed`
   */
  async putSecrets(
    name: string,
    config: string,
    secrets: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<void> {
    const args = ["secret", "bulk", "--name", name, "--config", config];
    await this.#succeed(args, signal, JSON.stringify(secrets));
  }

  /** Deletes a Worker. One that does not exist is fine. @param config as above; `null`: it is lost @throws {SynthError} `wrangler_failed` */
  async delete(name: string, config: string | null, signal: AbortSignal): Promise<void> {
    const configured = config === null ? [] : ["--config", config];
    const result = await this.#run(["delete", "--name", name, "--force", ...configured], signal);
    const text = `${result.stdout}\n${result.stderr}`;
    // Cloudflare's two codes for a Worker that does not exist. Words would fit an account, too.
    if (result.code !== 0 && !/\bcode: (?:10007|10090)\b/.test(text)) {
      throw failed(["delete"], result);
    }
  }

  async #succeed(
    args: readonly string[],
    signal: AbortSignal,
    stdin?: string,
  ): Promise<ProgramResult> {
    const result = await this.#run(args, signal, stdin);
    if (result.code === 0) return result;
    throw failed(args.slice(0, args[0] === "secret" ? 2 : 1), result);
  }

  #run(args: readonly string[], signal: AbortSignal, stdin?: string): Promise<ProgramResult> {
    const { program, before, env, cwd, print } = this.#options;
    return runProgram({
      program,
      args: [...before, ...args],
      env: { ...env, NO_COLOR: "1", CI: "1", WRANGLER_SEND_METRICS: "false" },
      cwd,
      signal,
      ...(stdin === undefined ? {} : { stdin }),
      ...(print === undefined ? {} : { print }),
    });
  }
}

function failed(words: readonly string[], { code, stdout, stderr }: ProgramResult): SynthError {
  const text = redactText(`${stdout}\n${stderr}`);
  const auth = /CLOUDFLARE_API_TOKEN|not logged in|authentication error|code: 10000\b/i.test(text);
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const shown = text.replace(/[\x00-\x09\x0b-\x1f\x7f-\x9f]+/g, " ").trim().slice(-WORDS_SHOWN);
  return new SynthError(`wrangler ${words.join(" ")} ended with code ${code}: ${shown}`, {
    code: auth ? "cloudflare_not_logged_in" : "wrangler_failed",
    exitCode: auth ? EXIT.auth : EXIT.failed,
    ...(auth ? { hint: "Set CLOUDFLARE_API_TOKEN, and CLOUDFLARE_ACCOUNT_ID" } : {}),
  });
}

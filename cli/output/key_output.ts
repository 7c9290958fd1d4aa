/** Where the text of a new key goes. @module */
import { EXIT, SynthError } from "@synth/core";
import type { NewKeyObject } from "@synth/core/api";
import { createPrivateFile } from "@synth/core/platform";
import type { CliContext } from "../context.ts";
import { absolute } from "../state/paths.ts";
import { printJson, printLine, say } from "./print.ts";

/** Gives a key to stdout, or to a new file that only its owner can read. */
export class KeyOutput {
  readonly #context: CliContext;
  readonly #path: string | null;
  readonly #json: boolean;

  private constructor(context: CliContext, path: string | null, json: boolean) {
    this.#context = context;
    this.#path = path;
    this.#json = json;
  }

  /** Looks before a key is made whether its file can be. @throws {SynthError} `output_exists`, exit code 2 */
  static async open(
    context: CliContext,
    flags: { readonly output?: string; readonly json: boolean },
  ): Promise<KeyOutput> {
    const path = flags.output === undefined ? null : absolute(context, flags.output);
    if (path !== null && await exists(path)) throw taken(path);
    return new KeyOutput(context, path, flags.json);
  }

  /** Hands it over. */
  async give(made: NewKeyObject): Promise<void> {
    const { key, ...rest } = made;
    const context = this.#context;
    // The key exists by now: when its file cannot be made any more, it is better shown than lost.
    if (this.#path !== null && await createPrivateFile(this.#path, `${key}\n`)) {
      if (this.#json) return printJson(context, { ...rest, file: this.#path });
      return printLine(context, this.#path);
    }
    if (this.#json) return printJson(context, made);
    say(context, `${made.key_id}: may ${made.scopes.join(", ")}. It is shown this once:`);
    printLine(context, key);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function taken(path: string): SynthError {
  return new SynthError(`${path} exists and stays as it is`, {
    code: "output_exists",
    exitCode: EXIT.usage,
    hint: "Give --output another name",
  });
}

/** Asks for keys at the terminal. @module */
import { promptSecret } from "@std/cli/prompt-secret";
import { EXIT, SynthError } from "@synth/core";
import { isTerminal } from "@synth/core/platform";

/** Keys that someone has typed. */
export interface AskedKeys {
  readonly synthKey: string;
  /** `null`: there is none. */
  readonly environmentKey: string | null;
}

/** Whether somebody is there to be asked: what is typed and what is shown both go through a terminal. */
export function canAsk(): boolean {
  return isTerminal("stdin") && isTerminal("stdout");
}

/** Asks, without showing what is typed. @throws {SynthError} `setup_cancelled` without an answer, `invalid_api_key` */
export function askKeys(): AskedKeys {
  const synthKey = ask("SYNTH_API_KEY:");
  if (synthKey === "") throw cancelled();
  const environmentKey = ask("ENVIRONMENT_API_KEY (empty when you have none):");
  return { synthKey, environmentKey: environmentKey === "" ? null : environmentKey };
}

function ask(name: string): string {
  const typed = promptSecret(name, { mask: "" });
  if (typed === null) throw cancelled();
  const key = typed.trim();
  if (key === "" || /^[\x21-\x7e]{8,512}$/.test(key)) return key;
  throw new SynthError("That is no key: 8 to 512 visible characters without spaces", {
    code: "invalid_api_key",
    exitCode: EXIT.usage,
  });
}

function cancelled(): SynthError {
  return new SynthError("No key was given; nothing is changed", {
    code: "setup_cancelled",
    exitCode: EXIT.failed,
  });
}

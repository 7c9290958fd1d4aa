/** What `synth version` does. @module */
import type { CliContext } from "../context.ts";
import { printJson, printLine } from "../output/print.ts";
import { VERSION } from "../version.ts";

/** Prints the version of synth and of what it runs on. */
export function runVersion(this: CliContext, flags: { json: boolean }): void {
  const { deno, v8, typescript } = Deno.version;
  if (flags.json) return printJson(this, { version: VERSION, deno, v8, typescript });
  printLine(this, `synth ${VERSION} (deno ${deno}, ${this.os} ${Deno.build.arch})`);
}

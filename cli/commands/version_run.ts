/** What `synth version` does. @module */
import manifest from "../deno.json" with { type: "json" };
import type { CliContext } from "../context.ts";
import { printJson, printLine } from "../output/print.ts";

/** Prints the version of synth and of what it runs on. */
export function runVersion(this: CliContext, flags: { json: boolean }): void {
  const { deno, v8, typescript } = Deno.version;
  if (flags.json) return printJson(this, { version: manifest.version, deno, v8, typescript });
  printLine(this, `synth ${manifest.version} (deno ${deno}, ${this.os} ${Deno.build.arch})`);
}

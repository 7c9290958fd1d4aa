/** Data goes to stdout, talk to stderr. @module */
import type { CliContext } from "../context.ts";

/** Writes a value as indented JSON to stdout. */
export function printJson(context: CliContext, value: unknown): void {
  context.process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** Writes a line of data to stdout. */
export function printLine(context: CliContext, line: string): void {
  context.process.stdout.write(`${line}\n`);
}

/** Writes a line for the person at the terminal to stderr. */
export function say(context: CliContext, line: string): void {
  context.process.stderr.write(`${line}\n`);
}

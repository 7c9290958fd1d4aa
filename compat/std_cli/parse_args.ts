/** A stand-in for `jsr:@std/cli/parse-args`. @module */
import minimist from "minimist";

/** What was parsed: flags by name, the rest under `_`. */
export interface Args {
  [name: string]: unknown;
  _: (string | number)[];
}

/** The options that the stand-in shares with the real package. */
export interface ParseOptions {
  "--"?: boolean;
  alias?: Record<string, string | readonly string[]>;
  boolean?: boolean | string | readonly string[];
  collect?: string | readonly string[];
  default?: Record<string, unknown>;
  /** What `--no-NAME` may be said of. The stand-in allows it of every flag. */
  negatable?: string | readonly string[];
  stopEarly?: boolean;
  string?: string | readonly string[];
}

/** Parses arguments. Of a repeated flag the last counts, unless it is in `collect`. */
export function parseArgs(
  args: readonly string[],
  options: ParseOptions = {},
): Args {
  const parsed = minimist([...args], options as minimist.Opts);
  const collected = new Set([options.collect ?? []].flat());
  for (const name of Object.keys(parsed)) {
    if (name === "_" || name === "--") continue;
    const value: unknown = parsed[name];
    if (collected.has(name)) {
      parsed[name] = value === undefined ? [] : [value].flat();
    } else if (Array.isArray(value)) parsed[name] = value.at(-1);
  }
  for (const name of collected) parsed[name] ??= [];
  return parsed as Args;
}

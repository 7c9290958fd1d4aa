/** Overrides by dotted names. @module */
import { EXIT, SynthError } from "@synth/core";

/** A table of a job's configuration. */
export type JobTable = { [key: string]: unknown };

/**
 * A copy of a table with these values: `{"a.b": 1}` sets `b` in the table `a`, which is made when it is missing. What was given later wins; two tables
 * are merged.
 *
 * @throws {SynthError} `invalid_override`, exit code 2, for a name that is empty or would reach into the language
 */
export function mergeDotOverrides(
  base: Readonly<JobTable>,
  overrides: Readonly<JobTable>,
): JobTable {
  const merged = copy(base);
  for (const [name, value] of Object.entries(overrides)) set(merged, name, value);
  return merged;
}

function set(table: JobTable, name: string, value: unknown): void {
  const parts = name.split(".");
  const last = parts.pop() ?? "";
  let at = table;
  for (const part of parts) {
    const next = own(at, checked(part, name));
    at = isTable(next) ? next : (at[part] = {});
  }
  const old = own(at, checked(last, name));
  at[last] = isTable(old) && isTable(value) ? mergeDotOverrides(old, value) : clone(value);
}

function own(table: JobTable, key: string): unknown {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function checked(part: string, name: string): string {
  if (part !== "" && !["__proto__", "constructor", "prototype"].includes(part)) return part;
  throw new SynthError(`${JSON.stringify(name)} is no name of a setting`, {
    code: "invalid_override",
    status: 400,
    exitCode: EXIT.usage,
    hint: 'Write names as "prompt_learning.gepa.rollout.budget"',
  });
}

function copy(table: Readonly<JobTable>): JobTable {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, clone(value)]));
}

function clone(value: unknown): unknown {
  return isTable(value) ? copy(value) : value;
}

function isTable(value: unknown): value is JobTable {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

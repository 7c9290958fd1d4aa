/** Turns what zod found wrong into one error that names the field and says what is expected. @module */
import type { z } from "zod";
import { SynthError } from "../errors.ts";
import { KNOWN_TYPE, nameOfType } from "./responses_items.ts";

type Issue = z.core.$ZodIssue;

/** What is wrong, where, as flat facts: unions are resolved to the branch that came closest. */
interface Fault {
  issue: Issue;
  path: PropertyKey[];
}

/** The first fault of a body as a 400. `fields` are the names that a typing error can be near to. */
export function requestError(
  error: z.ZodError,
  body: object,
  fields: readonly string[],
): SynthError {
  const faults = error.issues.map((issue) => resolve(issue, []));
  const fault = faults.find(({ issue, path }) => path[0] === "model" && issue.path.length > 0) ??
    faults[0];
  if (fault === undefined) {
    return new SynthError("The body is not valid", { code: "invalid_request", status: 400 });
  }
  const { issue, path } = fault;
  if (issue.code === "unrecognized_keys") {
    const key = String(issue.keys[0] ?? "");
    const near = nearest(key, fields);
    return new SynthError(`Unknown parameter: '${shorten(key)}'`, {
      code: "unknown_parameter",
      status: 400,
      param: shorten(key),
      ...(near === null ? {} : { hint: `Did you mean '${near}'?` }),
    });
  }
  const param = pathText(path);
  const value = valueAt(body, path);
  if (value === undefined) {
    return new SynthError(`Missing required parameter: '${param}'`, {
      code: "missing_required_parameter",
      status: 400,
      param,
    });
  }
  const code = isTypeFault(issue, value) ? "invalid_type" : "invalid_value";
  return new SynthError(`Invalid '${param}': ${explain(issue, value)}`, {
    code,
    status: 400,
    param,
  });
}

function resolve(issue: Issue, base: PropertyKey[]): Fault {
  const path = [...base, ...issue.path];
  if (issue.code !== "invalid_union" || issue.errors.length === 0) return { issue, path };
  let best: Fault | null = null;
  for (const branch of issue.errors) {
    const first = branch[0];
    if (first === undefined) continue;
    // The branch for unknown types, refusing a known one: the fault is in the other branch.
    if (first.code === "custom" && first.message === KNOWN_TYPE) continue;
    const fault = resolve(first, path);
    // A branch that got no further than the value itself says nothing but "another type".
    if (fault.path.length <= path.length) continue;
    const vague = best?.issue.code === "invalid_union" && best.issue.errors.length === 0;
    if (best === null || vague || fault.path.length > best.path.length) best = fault;
  }
  return best ?? { issue, path };
}

function isTypeFault(issue: Issue, value: unknown): boolean {
  if (issue.code === "invalid_union") {
    const wrongWord = typeof value === "string" &&
      issue.errors.some((branch) => branch[0]?.code === "invalid_value");
    return issue.errors.length > 0 && !wrongWord;
  }
  return issue.code === "invalid_type" ||
    (issue.code === "custom" && issue.params?.["type"] === true);
}

function explain(issue: Issue, value: unknown): string {
  const got = nameOfType(value);
  switch (issue.code) {
    case "invalid_type":
      if (typeof value === "number" && !Number.isFinite(value)) return "the number is too large";
      if (issue.expected === "int" && typeof value === "number") {
        return `expected an integer, got ${value}`;
      }
      return `expected ${article(issue.expected)}, got ${got}`;
    case "invalid_union":
      return issue.errors.length === 0
        ? `unknown value ${quote(value)}`
        : `expected ${expectedOfUnion(issue)}, got ${
          typeof value === "string" ? quote(value) : got
        }`;
    case "invalid_value":
      return `expected one of ${issue.values.map((v) => `'${String(v)}'`).join(", ")}, got ${
        quote(value)
      }`;
    case "too_small":
      return `at least ${issue.minimum}${issue.origin === "string" ? " characters" : ""}`;
    case "too_big":
      return `at most ${issue.maximum}${issue.origin === "string" ? " characters" : ""}`;
    default:
      return issue.message;
  }
}

function expectedOfUnion(issue: Issue & { code: "invalid_union" }): string {
  const names = new Set<string>();
  for (const branch of issue.errors) {
    for (const inner of branch) {
      if (inner.code === "invalid_type") names.add(article(inner.expected));
      if (inner.code === "invalid_value") {
        names.add(inner.values.map((v) => `'${String(v)}'`).join(", "));
      }
    }
  }
  return [...names].join(" or ") || "another value";
}

function article(expected: string): string {
  if (expected === "int") return "an integer";
  return /^[aeio]/.test(expected) ? `an ${expected}` : `a ${expected}`;
}

function quote(value: unknown): string {
  return typeof value === "string" ? `'${shorten(value)}'` : nameOfType(value);
}

function shorten(value: string): string {
  return value.length > 64 ? `${value.slice(0, 64)}...` : value;
}

/** `input[3].content[0].text`. */
function pathText(path: readonly PropertyKey[]): string {
  let result = "";
  for (const key of path) {
    if (typeof key === "number") result += `[${key}]`;
    else result += result === "" ? String(key) : `.${shorten(String(key))}`;
  }
  return result;
}

function valueAt(body: object, path: readonly PropertyKey[]): unknown {
  let value: unknown = body;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}

/** The field within a third of the key's length in edits, if any. */
function nearest(key: string, fields: readonly string[]): string | null {
  if (key.length > 64) return null;
  let best: string | null = null;
  let bestDistance = Math.max(1, Math.floor(key.length / 3)) + 1;
  for (const field of fields) {
    const distance = editDistance(key, field);
    if (distance < bestDistance) {
      best = field;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 0; i < a.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < b.length; j++) {
      const substitute = row[j]! + (a[i] === b[j] ? 0 : 1);
      next.push(Math.min(substitute, row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

/** Turns what is wrong with a configuration into an error that names place, key and remedy. @module */
import * as z from "zod";
import { EXIT, type Json, SynthError } from "../errors.ts";
import { type ConfigIssue, describeOrigin, type Merged, NAMED_SECTIONS } from "./layers.ts";
import { nearest } from "./nearest.ts";
import { sectionSchemas } from "./schema.ts";
import type { ConfigPath } from "./scan.ts";

type Shape = Readonly<Record<string, z.ZodType>>;

/** Writes a path as TOML would: `models."a.b".price`. */
export function dottedKey(path: ConfigPath): string {
  return path.map((part) =>
    typeof part === "number" || /^[A-Za-z0-9_-]+$/.test(part) ? String(part) : JSON.stringify(part)
  ).join(".");
}

/** The error for one or more issues: the first in full, the others one a line. */
export function configError(issues: readonly ConfigIssue[]): SynthError {
  const lines = issues.map(describeIssue);
  const suggestion = issues[0]?.suggestion ?? null;
  return new SynthError(lines.join("\n  "), {
    code: "config_invalid",
    status: 500,
    exitCode: EXIT.usage,
    ...(issues.length === 1 && suggestion !== null
      ? { hint: `Did you mean "${suggestion}"?` }
      : {}),
    details: { issues: issues.map(issueJson) },
  });
}

/** All issues of a failed check of the merged tree. */
export function issuesOf(error: z.ZodError, merged: Merged): ConfigIssue[] {
  const issues = error.issues.flatMap((issue) => flatten(issue, []));
  return issues.flatMap((issue) => explain(issue, merged));
}

/** The keys that may stand in the table at `path`; `null` when any name may. */
export function knownKeys(path: ConfigPath): string[] | null {
  if (path.length === 0) return Object.keys(sectionSchemas);
  const [section, ...rest] = path;
  const schema = (sectionSchemas as Readonly<Record<string, z.ZodType>>)[String(section)];
  if (schema === undefined) return null;
  const named = NAMED_SECTIONS.has(String(section));
  if (named && rest.length === 0) return null;
  let current: z.ZodType | undefined = named ? recordValue(schema) : schema;
  for (const part of named ? rest.slice(1) : rest) {
    current = current && shapeOf(current)?.[String(part)];
  }
  const shape = current && shapeOf(current);
  return shape ? Object.keys(shape) : null;
}

function describeIssue(issue: ConfigIssue, index: number, all: readonly unknown[]): string {
  const at = issue.origin.kind === "default" ? "" : `${describeOrigin(issue.origin)}: `;
  const key = issue.key === "" ? "" : `${issue.key}: `;
  const more = all.length > 1 && issue.suggestion !== null
    ? `; did you mean "${issue.suggestion}"?`
    : "";
  return `${at}${key}${index === 0 ? issue.message : lowerFirst(issue.message)}${more}`;
}

function issueJson(issue: ConfigIssue): Json {
  return {
    key: issue.key,
    message: issue.message,
    suggestion: issue.suggestion,
    source: issue.origin.name,
    line: issue.origin.line ?? null,
    column: issue.origin.column ?? null,
  };
}

interface FlatIssue {
  readonly issue: z.core.$ZodIssue;
  readonly path: ConfigPath;
}

/** Looks inside unions (the branch that comes closest) and keys of records. */
function flatten(issue: z.core.$ZodIssue, base: ConfigPath): FlatIssue[] {
  const path = [...base, ...issue.path.map((part) => typeof part === "symbol" ? "" : part)];
  if (issue.code === "invalid_union") {
    const inside = issue.errors.find((branch) =>
      branch.some((inner) => inner.path.length > 0 || inner.code === "unrecognized_keys")
    );
    if (inside !== undefined) return inside.flatMap((inner) => flatten(inner, path));
  }
  if (issue.code === "invalid_key") {
    const inner = issue.issues[0];
    if (inner !== undefined) return [{ issue: { ...inner, path: [] }, path }];
  }
  return [{ issue, path }];
}

function explain({ issue, path }: FlatIssue, merged: Merged): ConfigIssue[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey([...path, key], merged));
  }
  const at = { key: dottedKey(path), origin: merged.locate(path) };
  if (issue.code === "invalid_union") {
    return [{
      ...at,
      message: 'Must be "free" or { input = ..., output = ... }',
      suggestion: null,
    }];
  }
  const value = valueAt(merged.tree, path);
  if (issue.code === "invalid_type" && value === undefined) {
    return [{ ...at, message: "Is missing", suggestion: null }];
  }
  const candidates = issue.code === "invalid_value"
    ? issue.values.map(String)
    : issue.code === "custom"
    ? candidatesOf(issue.params)
    : [];
  const suggestion = typeof value === "string" ? nearest(value, candidates) : null;
  return [{ ...at, message: issue.message.replace(/^Invalid (?:input|option): /, ""), suggestion }];
}

function unknownKey(path: ConfigPath, merged: Merged): ConfigIssue {
  const name = String(path.at(-1));
  const parent = path.slice(0, -1);
  const where = parent.length === 0 ? "" : ` in [${dottedKey(parent)}]`;
  const what = parent.length === 0 ? "section or key" : "key";
  const suggestion = nearest(name, knownKeys(parent) ?? []) ?? sectionOf(name, parent);
  return {
    key: dottedKey(path),
    message: `Unknown ${what} "${name}"${where}`,
    suggestion,
    origin: merged.locate(path),
  };
}

/** A key that stands in the wrong section: the section where it is known. */
function sectionOf(name: string, parent: ConfigPath): string | null {
  if (parent.length > 1) return null;
  for (const section of Object.keys(sectionSchemas)) {
    if (knownKeys([section])?.includes(name)) return `[${section}] ${name}`;
  }
  return null;
}

function candidatesOf(params: Record<string, unknown> | undefined): string[] {
  const list = params?.candidates;
  return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}

function valueAt(tree: unknown, path: ConfigPath): unknown {
  let node = tree;
  for (const part of path) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, part)) return undefined;
    node = (node as Record<string | number, unknown>)[part];
  }
  return node;
}

function recordValue(schema: z.ZodType): z.ZodType | undefined {
  return schema instanceof z.ZodRecord ? schema.valueType as z.ZodType : undefined;
}

/** The members of an object schema, through defaults, `nullable`, unions and transforms. */
function shapeOf(schema: z.ZodType): Shape | null {
  if (schema instanceof z.ZodObject) return schema.shape as Shape;
  if (schema instanceof z.ZodUnion) {
    for (const option of schema.options) {
      const shape = shapeOf(option as z.ZodType);
      if (shape !== null) return shape;
    }
    return null;
  }
  const inner = innerOf(schema);
  return inner === null ? null : shapeOf(inner);
}

/** What a default, `nullable` or transform wraps. */
export function innerOf(schema: z.ZodType): z.ZodType | null {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodNullable) {
    return schema.unwrap() as z.ZodType;
  }
  return schema instanceof z.ZodPipe ? schema.in as z.ZodType : null;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** Makes up the smallest value that a JSON schema is likely to accept. @module */
import type { Json } from "@synth/core";

const MAX_DEPTH = 16;

/** The value; `{}` for what is no schema. */
export function sampleOf(schema: unknown): Json {
  return sample(schema, schema, 0);
}

type Schema = { readonly [key: string]: unknown };

function sample(schema: unknown, root: unknown, depth: number): Json {
  if (!isSchema(schema) || depth > MAX_DEPTH) return {};
  const resolved = resolve(schema, root);
  if (resolved["const"] !== undefined) return resolved["const"] as Json;
  if (Array.isArray(resolved["enum"])) return (resolved["enum"][0] ?? null) as Json;
  const choices = resolved["anyOf"] ?? resolved["oneOf"] ?? resolved["allOf"];
  if (Array.isArray(choices) && resolved["type"] === undefined) {
    return sample(choices[0], root, depth + 1);
  }
  const type = Array.isArray(resolved["type"]) ? resolved["type"][0] : resolved["type"];
  if (type === "string") return "demo".padEnd(lengthOf(resolved["minLength"]), "o");
  if (type === "number" || type === "integer") return numberOf(resolved);
  if (type === "boolean") return false;
  if (type === "null") return null;
  if (type === "array") {
    const item = sample(resolved["items"], root, depth + 1);
    return new Array<Json>(lengthOf(resolved["minItems"])).fill(item);
  }
  return objectOf(resolved, root, depth);
}

function objectOf(schema: Schema, root: unknown, depth: number): Json {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const entries = Object.entries(properties).filter(([name]) => required.has(name));
  return Object.fromEntries(entries.map(([name, inner]) => [name, sample(inner, root, depth + 1)]));
}

function resolve(schema: Schema, root: unknown): Schema {
  const reference = schema["$ref"];
  if (typeof reference !== "string" || !reference.startsWith("#")) return schema;
  let target: unknown = root;
  for (const step of reference.split("/").slice(1)) {
    target = isSchema(target) && Object.hasOwn(target, step) ? target[step] : undefined;
  }
  return isSchema(target) ? target : schema;
}

function numberOf(schema: Schema): number {
  const minimum = Number(schema["minimum"] ?? 0);
  return Number.isFinite(minimum) ? Math.max(0, Math.ceil(minimum)) : 0;
}

function lengthOf(value: unknown): number {
  const length = Number(value ?? 0);
  return Number.isInteger(length) ? Math.min(Math.max(0, length), 64) : 0;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

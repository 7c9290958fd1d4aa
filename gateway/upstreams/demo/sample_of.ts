/** Makes up the smallest value that a JSON schema is likely to accept. @module */
import type { Json } from "@synth/core";

const MAX_DEPTH = 16;
/** Values in one sample: a schema that refers to itself in several places would otherwise grow with the power of the depth. */
const MAX_VALUES = 2000;

/** What one sample may still have. */
interface Room {
  values: number;
}

/** The value; `{}` for what is no schema. */
export function sampleOf(schema: unknown): Json {
  return sample(schema, schema, 0, { values: MAX_VALUES });
}

type Schema = { readonly [key: string]: unknown };

function sample(schema: unknown, root: unknown, depth: number, room: Room): Json {
  if (!isSchema(schema) || depth > MAX_DEPTH || --room.values < 0) return {};
  const resolved = resolve(schema, root);
  if (resolved["const"] !== undefined) return resolved["const"] as Json;
  if (Array.isArray(resolved["enum"])) return (resolved["enum"][0] ?? null) as Json;
  const choices = resolved["anyOf"] ?? resolved["oneOf"] ?? resolved["allOf"];
  if (Array.isArray(choices) && resolved["type"] === undefined) {
    return sample(choices[0], root, depth + 1, room);
  }
  const type = Array.isArray(resolved["type"]) ? resolved["type"][0] : resolved["type"];
  if (type === "string") return "demo".padEnd(lengthOf(resolved["minLength"]), "o");
  if (type === "number" || type === "integer") return numberOf(resolved);
  if (type === "boolean") return false;
  if (type === "null") return null;
  if (type === "array") {
    const length = Math.min(lengthOf(resolved["minItems"]), Math.max(0, room.values));
    return Array.from({ length }, () => sample(resolved["items"], root, depth + 1, room));
  }
  return objectOf(resolved, root, depth, room);
}

function objectOf(schema: Schema, root: unknown, depth: number, room: Room): Json {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required = new Set(Array.isArray(schema["required"]) ? schema["required"] : []);
  const entries = Object.entries(properties).filter(([name]) => required.has(name))
    .slice(0, Math.max(0, room.values));
  return Object.fromEntries(
    entries.map(([name, inner]) => [name, sample(inner, root, depth + 1, room)]),
  );
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

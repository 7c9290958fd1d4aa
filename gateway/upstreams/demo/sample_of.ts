/** Makes up the smallest value that a JSON schema is likely to accept. @module */
import type { Json } from "@synth/core";

const MAX_DEPTH = 16;
/** Values in one sample: a schema that refers to itself in several places would otherwise grow with the power of the depth. */
const MAX_VALUES = 500;
/** Characters of a fixed value that count as one value. */
const FIXED_LENGTH = 64;

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
  if (resolved["const"] !== undefined) return fixed(resolved["const"], room);
  if (Array.isArray(resolved["enum"])) return fixed(resolved["enum"][0] ?? null, room);
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

/** A value that the schema names: a long one is given once, not again and again. */
function fixed(value: unknown, room: Room): Json {
  room.values -= Math.floor(JSON.stringify(value).length / FIXED_LENGTH);
  return value as Json;
}

function objectOf(schema: Schema, root: unknown, depth: number, room: Room): Json {
  const properties = isSchema(schema["properties"]) ? schema["properties"] : {};
  const required: unknown[] = Array.isArray(schema["required"]) ? schema["required"] : [];
  const names = required.slice(0, Math.max(0, room.values)).map(String)
    .filter((name) => Object.hasOwn(properties, name));
  room.values -= names.length;
  return Object.fromEntries(
    names.map((name) => [name, sample(properties[name], root, depth + 1, room)]),
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

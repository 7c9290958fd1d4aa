/** Settings from the environment: `SYNTH_<SECTION>_<KEY>`. @module */
import * as z from "zod";
import { innerOf, knownKeys } from "./issues.ts";
import { type Layer, NAMED_SECTIONS, type Setting } from "./layers.ts";
import { nearest } from "./nearest.ts";
import { sectionSchemas } from "./schema.ts";

/** The environment as a value, so that nothing below reads the process's own. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Short names of settings. The long name wins. */
const SHORT: Readonly<Record<string, readonly [string, string]>> = {
  SYNTH_HOST: ["gateway", "host"],
  SYNTH_PORT: ["gateway", "port"],
};

/** What the environment says. An empty variable counts as absent. */
export function environmentLayer(env: Environment): { layer: Layer; warnings: string[] } {
  const settings: Setting[] = [];
  const known = new Set<string>();
  for (const [variable, path] of variables()) {
    known.add(variable);
    const text = env[variable];
    if (text === undefined || text === "") continue;
    settings.push({ path, value: convert(text, schemaOf(path)), name: variable });
  }
  const warnings: string[] = [];
  for (const variable of Object.keys(env)) {
    if (!/^SYNTH_(?:GATEWAY|SESSIONS|UPSTREAMS|MODELS)_/.test(variable) || known.has(variable)) {
      continue;
    }
    const near = nearest(variable, known);
    warnings.push(
      `${variable} is not a setting and is ignored${
        near === null ? "" : `; did you mean ${near}?`
      }`,
    );
  }
  return { layer: { kind: "env", settings, positions: new Map() }, warnings };
}

/** Every variable with the setting that it stands for; short names first, so that long ones win. */
function variables(): [string, readonly [string, string]][] {
  const all: [string, readonly [string, string]][] = Object.entries(SHORT);
  for (const section of Object.keys(sectionSchemas)) {
    if (NAMED_SECTIONS.has(section)) continue;
    for (const key of knownKeys([section]) ?? []) {
      all.push([`SYNTH_${section}_${key}`.toUpperCase(), [section, key]]);
    }
  }
  return all;
}

function schemaOf([section, key]: readonly [string, string]): z.ZodType | null {
  const schema = (sectionSchemas as Readonly<Record<string, z.ZodType>>)[section];
  return schema instanceof z.ZodObject ? schema.shape[key] as z.ZodType : null;
}

/** Reads text as the type that the schema wants; what does not fit stays text, and the schema refuses it. */
function convert(text: string, schema: z.ZodType | null): unknown {
  for (let type = schema; type !== null; type = innerOf(type)) {
    if (type instanceof z.ZodNumber) {
      return /^[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)$/.test(text) ? Number(text) : text;
    }
    if (type instanceof z.ZodBoolean) {
      return text === "true" || text === "1"
        ? true
        : text === "false" || text === "0"
        ? false
        : text;
    }
    if (type instanceof z.ZodArray) {
      return text.split(",").map((item) => item.trim()).filter((item) => item !== "");
    }
  }
  return text;
}

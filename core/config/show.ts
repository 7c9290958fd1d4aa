/** A configuration as a list of settings, secrets masked. @module */
import { dottedKey } from "./issues.ts";
import type { Json } from "../errors.ts";
import type { Origin } from "./layers.ts";
import type { LoadedConfig } from "./load.ts";
import { type ConfigPath, pathKey } from "./scan.ts";

/** One line of `synth config show`. */
export interface ShownSetting {
  /** Dotted, as TOML writes it. */
  readonly key: string;
  readonly value: Json;
  readonly origin: Origin;
}

const MASK = "***";

/** Every setting with its value and origin, in the order of the sections. Values of headers are masked. */
export function listSettings(loaded: LoadedConfig): ShownSetting[] {
  const shown: ShownSetting[] = [];
  for (const [section, content] of Object.entries(loaded.config)) {
    if (content instanceof Map) {
      for (const [name, entry] of content) {
        for (const [key, value] of Object.entries(entry as Record<string, unknown>)) {
          shown.push(show([section, String(name), key], value, loaded));
        }
      }
      continue;
    }
    for (const [key, value] of Object.entries(content)) {
      shown.push(show([section, key], value, loaded));
    }
  }
  return shown;
}

function show(path: ConfigPath, value: unknown, loaded: LoadedConfig): ShownSetting {
  return {
    key: dottedKey(path),
    value: toJson(value, path.at(-1) === "headers"),
    origin: loaded.origins.get(pathKey(path)) ?? { kind: "default", name: "default" },
  };
}

function toJson(value: unknown, mask: boolean): Json {
  if (value instanceof Map) {
    return Object.fromEntries(
      [...value].map(([k, v]) => [String(k), mask ? MASK : toJson(v, mask)]),
    );
  }
  if (Array.isArray(value)) return value.map((item) => toJson(item, mask));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, toJson(v, mask)]));
  }
  return value as Json;
}

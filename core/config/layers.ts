/** Where settings come from, and how the sources are laid over one another. @module */
import type { ConfigPath, Position } from "./scan.ts";
import { pathKey } from "./scan.ts";

/** A kind of source, weakest first. `text` is `SYNTH_CONFIG_TOML`. */
export type OriginKind = "default" | "user" | "project" | "explicit" | "text" | "env" | "flag";

/** Where one setting comes from. */
export interface Origin {
  readonly kind: OriginKind;
  /** Path of the file, or name of the variable or the flag. */
  readonly name: string;
  /** In a file. Starts at 1. */
  readonly line?: number;
  /** In a file. Starts at 1. */
  readonly column?: number;
}

/** One value of one source: `[section, key]`, or `[section, name, key]` below `upstreams` and `models`. */
export interface Setting {
  readonly path: ConfigPath;
  readonly value: unknown;
  readonly name: string;
}

/** A source of settings. */
export interface Layer {
  readonly kind: Exclude<OriginKind, "default">;
  readonly settings: readonly Setting[];
  /** Places of keys by path, for a file. */
  readonly positions: ReadonlyMap<string, Position>;
}

/** All layers in one tree. */
export interface Merged {
  readonly tree: Record<string, unknown>;
  /** The origin of the value at a path or of the nearest one above it. */
  locate(path: ConfigPath): Origin;
  readonly origins: ReadonlyMap<string, Origin>;
}

/** Sections whose members are tables with names that the user chooses. */
export const NAMED_SECTIONS: ReadonlySet<string> = new Set(["upstreams", "models"]);

/** Something wrong with one setting. */
export interface ConfigIssue {
  /** Dotted; empty for the whole file. */
  readonly key: string;
  readonly message: string;
  /** What to write instead. */
  readonly suggestion: string | null;
  readonly origin: Origin;
}

/** Turns a parsed file into settings. */
export function settingsOf(tree: Record<string, unknown>, name: string): Setting[] {
  const settings: Setting[] = [];
  for (const [section, content] of Object.entries(tree)) {
    const path = [section];
    if (!isTable(content)) {
      settings.push({ path, value: content, name });
      continue;
    }
    if (Object.keys(content).length === 0) settings.push({ path, value: {}, name });
    for (const [key, value] of Object.entries(content)) {
      const named = NAMED_SECTIONS.has(section) && isTable(value);
      if (!named || Object.keys(value).length === 0) {
        settings.push({ path: [section, key], value: named ? {} : value, name });
        continue;
      }
      for (const [inner, innerValue] of Object.entries(value)) {
        settings.push({ path: [section, key, inner], value: innerValue, name });
      }
    }
  }
  return settings;
}

/** Lays the layers over one another; a later one wins. Keys are free of the names that the scan forbids. */
export function mergeLayers(layers: readonly Layer[]): Merged {
  const tree: Record<string, unknown> = {};
  const origins = new Map<string, Origin>();
  const sources = new Map<string, { layer: Layer; name: string }>();
  for (const layer of layers) {
    for (const setting of layer.settings) {
      assign(tree, setting);
      for (let i = 1; i <= setting.path.length; i++) {
        const key = pathKey(setting.path.slice(0, i));
        if (i < setting.path.length && sources.has(key)) continue;
        sources.set(key, { layer, name: setting.name });
      }
      origins.set(pathKey(setting.path), originIn(layer, setting.name, setting.path));
    }
  }
  const locate = (path: ConfigPath): Origin => {
    for (let i = path.length; i > 0; i--) {
      const source = sources.get(pathKey(path.slice(0, i)));
      if (source !== undefined) return originIn(source.layer, source.name, path);
    }
    return { kind: "default", name: "default" };
  };
  return { tree, locate, origins };
}

/** The origin of a path within a layer, at the longest part of it that has a place. */
export function originIn(layer: Layer, name: string, path: ConfigPath): Origin {
  for (let i = path.length; i > 0; i--) {
    const position = layer.positions.get(pathKey(path.slice(0, i)));
    if (position !== undefined) return { kind: layer.kind, name, ...position };
  }
  return { kind: layer.kind, name };
}

/** `file:line:column`, or the name of the variable or flag. */
export function describeOrigin(origin: Origin): string {
  if (origin.line === undefined) return origin.name;
  return `${origin.name}:${origin.line}:${origin.column ?? 1}`;
}

/** Whether a value is a table, as opposed to a date or a list. */
export function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Date);
}

function assign(tree: Record<string, unknown>, setting: Setting): void {
  let node = tree;
  for (const part of setting.path.slice(0, -1)) {
    const next = node[part];
    if (isTable(next)) node = next;
    else node = node[part] = {} as Record<string, unknown>;
  }
  const last = setting.path.at(-1) ?? "";
  const known = node[last];
  // An empty table is only a mention: it must not undo what a weaker layer says inside it.
  const mention = isTable(setting.value) && Object.keys(setting.value).length === 0;
  if (!(mention && isTable(known) && setting.path.length < 3)) node[last] = setting.value;
}

/** Finds, reads, lays over one another and checks all sources of the configuration. @module */
import { EXIT, SynthError } from "../errors.ts";
import { type Environment, environmentLayer } from "./environment.ts";
import { configError, dottedKey, issuesOf } from "./issues.ts";
import { describeOrigin, type Layer, mergeLayers, type Origin, originIn } from "./layers.ts";
import { parseLayer } from "./parse_file.ts";
import type { Position } from "./scan.ts";
import { configSchema } from "./schema.ts";
import { fingerprint, isGuarded } from "./trust.ts";
import type { SynthConfig } from "./types.ts";

/** Name of the file, in a project and in the user's directory. */
export const CONFIG_FILE = "synth.toml";

/** Where to look. All reading goes through `readFile`, so the same code runs where there are no files. */
export interface LoadOptions {
  readonly env: Environment;
  /** `--config`: this file is read instead of the user's and the project's. */
  readonly explicitPath?: string;
  /** Absolute path from which a project's file is looked for, upward. Absent: none is looked for. */
  readonly cwd?: string;
  /** Absolute path of the user's file. */
  readonly userPath?: string;
  /** Text of a file, `null` when there is none. Absent: no file is read. */
  readonly readFile?: (path: string) => Promise<string | null>;
  /** Flags, by dotted setting (`gateway.port`). */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** Whether the user trusts a project's file with this {@linkcode fingerprint}. @default {never} */
  readonly isTrusted?: (fingerprint: string) => Promise<boolean>;
}

/** A checked configuration and where it came from. */
export interface LoadedConfig {
  readonly config: SynthConfig;
  /** Where each setting comes from, by the JSON of its path; what is not here has its default. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** The files that were read, strongest last. */
  readonly files: readonly string[];
  /** Things that are odd and not wrong, in words. */
  readonly warnings: readonly string[];
}

const NO_POSITIONS: ReadonlyMap<string, Position> = new Map();

/**
 * Loads the configuration: flag > environment > project file > user file > default.
 *
 * @throws {SynthError} `config_invalid` (exit code 2) naming place, key and nearest key; `untrusted_config` (2) for a
 * project's file that sets what only the user may; `config_not_found` (3) for an explicit file that is not there.
 */
export async function loadConfig(options: LoadOptions): Promise<LoadedConfig> {
  const files: string[] = [];
  const layers = await fileLayers(options, files);
  const { layer, warnings } = environmentLayer(options.env);
  layers.push(layer, flagLayer(options.flags ?? {}));
  const merged = mergeLayers(layers);
  const result = configSchema.safeParse(merged.tree);
  if (!result.success) throw configError(issuesOf(result.error, merged));
  return { config: result.data, origins: merged.origins, files, warnings };
}

/** The project's file for a working directory, or `null`. */
export async function findProjectFile(
  cwd: string,
  readFile: (path: string) => Promise<string | null>,
): Promise<{ path: string; content: string } | null> {
  for (const directory of upward(cwd)) {
    const path = join(directory, CONFIG_FILE);
    const content = await readFile(path);
    if (content !== null) return { path, content };
  }
  return null;
}

/** The settings of a project's file that need trust, one a line: `gateway.host = "0.0.0.0"`. Headers are masked. */
export function listGuarded(path: string, content: string): string[] {
  return parseLayer("project", path, content).settings.filter((setting) => isGuarded(setting.path))
    .map(({ path: key, value }) => {
      const shown = key.at(-1) === "headers" ? '"***"' : JSON.stringify(value);
      return `${dottedKey(key)} = ${shown}`;
    });
}

async function fileLayers(options: LoadOptions, files: string[]): Promise<Layer[]> {
  const { readFile, explicitPath, userPath, env } = options;
  if (explicitPath !== undefined) {
    const content = await readFile?.(explicitPath) ?? null;
    if (content === null) throw notFound(explicitPath);
    files.push(explicitPath);
    return [parseLayer("explicit", explicitPath, content)];
  }
  const text = env.SYNTH_CONFIG_TOML;
  if (text !== undefined && text !== "") return [parseLayer("text", "SYNTH_CONFIG_TOML", text)];
  if (readFile === undefined) return [];
  const layers: Layer[] = [];
  const userText = userPath === undefined ? null : await readFile(userPath);
  if (userPath !== undefined && userText !== null) {
    files.push(userPath);
    layers.push(parseLayer("user", userPath, userText));
  }
  const project = options.cwd === undefined ? null : await findProjectFile(options.cwd, readFile);
  if (project !== null && project.path !== userPath) {
    files.push(project.path);
    const layer = parseLayer("project", project.path, project.content);
    await requireTrust(layer, project, options);
    layers.push(layer);
  }
  return layers;
}

async function requireTrust(
  layer: Layer,
  file: { path: string; content: string },
  { isTrusted, userPath }: LoadOptions,
): Promise<void> {
  const guarded = layer.settings.filter((setting) => isGuarded(setting.path));
  if (guarded.length === 0) return;
  if (await isTrusted?.(await fingerprint(file.path, file.content)) === true) return;
  const lines = guarded.map((setting) =>
    `${describeOrigin(originIn(layer, setting.name, setting.path))}: ${dottedKey(setting.path)}`
  );
  throw new SynthError(
    "A synth.toml that lies in a project may not decide where secrets and money go; " +
      `it sets\n  ${lines.join("\n  ")}`,
    {
      code: "untrusted_config",
      exitCode: EXIT.usage,
      hint: `Read the file. Then either run "synth config trust ${file.path}", ` +
        `or pass --config ${file.path}, or move these keys to ${userPath ?? "your own file"}`,
      details: {
        path: file.path,
        keys: guarded.map((setting) => dottedKey(setting.path)),
      },
    },
  );
}

function flagLayer(flags: Readonly<Record<string, unknown>>): Layer {
  const settings = Object.entries(flags).filter(([, value]) => value !== undefined).map(
    ([dotted, value]) => {
      const path = dotted.split(".");
      return { path, value, name: `--${(path.at(-1) ?? "").replaceAll("_", "-")}` };
    },
  );
  return { kind: "flag", settings, positions: NO_POSITIONS };
}

function notFound(path: string): SynthError {
  return new SynthError(`There is no file ${path}`, {
    code: "config_not_found",
    status: 404,
    hint: "Check the path behind --config",
  });
}

/** A directory and all above it. Knows both kinds of separator, without asking which system this is. */
function* upward(directory: string): Generator<string> {
  let current = directory;
  while (true) {
    yield current;
    const cut = Math.max(current.lastIndexOf("/"), current.lastIndexOf("\\"));
    if (cut < 0) return;
    const parent = current.slice(0, cut) || current.charAt(0);
    if (parent === current) return;
    current = parent;
  }
}

function join(directory: string, file: string): string {
  if (/[\\/]$/.test(directory)) return directory + file;
  return directory + (/^[A-Za-z]:|^\\\\/.test(directory) ? "\\" : "/") + file;
}

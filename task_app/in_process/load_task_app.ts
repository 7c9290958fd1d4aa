/** Finds the task app in a file. @module */
import { EXIT, SynthError } from "@synth/core";
import type { TaskAppConfigInput } from "../contract/task_app_config.ts";
import { taskApps } from "../registry/registry.ts";
import type { FetchHandler, TaskAppHandler } from "./options.ts";

/** What a file turned out to hold. */
export type LoadedTaskApp =
  & {
    /** Under which name it was found; `registry` for one that registered itself. */
    readonly found: string;
  }
  & (
    | { readonly kind: "app"; readonly app: TaskAppHandler }
    | { readonly kind: "config"; readonly config: TaskAppConfigInput }
  );

/** Looks a configuration up among those that registered themselves when they were imported. */
export type ConfigLookup = (
  appId: string,
) => TaskAppConfigInput | undefined | Promise<TaskAppConfigInput | undefined>;

/** How a file is loaded. */
export interface LoadOptions {
  /** `APP_ID`: which registered app is meant. @default {the file's name without its ending} */
  readonly appId?: string | undefined;
  /** @default {the registry of this process} */
  readonly lookup?: ConfigLookup;
}

/** Exports that are, or hold, the app or its configuration, in the order in which they are looked at. */
export const VALUE_EXPORTS: readonly string[] = ["default", "app", "taskApp", "task_app", "config"];

/** Exports that make one. */
export const FACTORY_EXPORTS: readonly string[] = [
  "createApp",
  "buildApp",
  "getApp",
  "buildConfig",
  "create_app",
  "build_app",
  "configure_app",
  "get_app",
  "app_factory",
  "build_config",
];

const ENDINGS = /\.(?:ts|mts|tsx|js|mjs|jsx)$/;

/**
 * Imports a file and finds its task app: the exports `default`, `app`, `taskApp`, `task_app`, `config`; then the factories `createApp`, `buildApp`,
 * `getApp`, `buildConfig` and the original's spellings; then a registered app named by `APP_ID` or by the file. A value is a Hono app (or anything
 * with `fetch`), a fetch handler (a function that takes something, or gives a Response), a factory (one that takes nothing), or a configuration.
 *
 * @throws {SynthError} `task_app_file_not_found` (exit code 3), `task_app_file_invalid` (2), `task_app_import_failed`, `task_app_missing` (2)
 */
export async function loadTaskApp(
  path: string | URL,
  options: LoadOptions = {},
): Promise<LoadedTaskApp> {
  const url = await moduleUrl(path);
  let exports: Record<string, unknown>;
  try {
    exports = await import(url.href);
  } catch (cause) {
    throw new SynthError(`${shown(url)} cannot be imported: ${messageOf(cause)}`, {
      code: "task_app_import_failed",
      hint: 'Run "deno check" on the file',
      cause,
    });
  }
  const found = await findTaskApp(exports, shown(url)) ?? await findRegistered(url, options);
  if (found !== undefined) return found;
  throw missing(shown(url), exports);
}

/** The task app among the exports of a module, `undefined` when there is none. */
export async function findTaskApp(
  exports: Readonly<Record<string, unknown>>,
  file: string,
): Promise<LoadedTaskApp | undefined> {
  for (const name of VALUE_EXPORTS) {
    const value = exports[name];
    // A function that takes nothing is a factory, or a handler that does not look at its request.
    const made = typeof value === "function" && value.length === 0
      ? await call(value, name, file)
      : value;
    const found = made instanceof Response
      ? { kind: "app", app: value as FetchHandler, found: name } as const
      : classify(made, name);
    if (found !== undefined) return found;
  }
  for (const name of FACTORY_EXPORTS) {
    const factory = exports[name];
    if (typeof factory !== "function") continue;
    const found = classify(await call(factory, name, file), `${name}()`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A handler as a function, whatever it was given as. */
export function asFetchHandler(handler: TaskAppHandler): FetchHandler {
  return typeof handler === "function" ? handler : (request) => handler.fetch(request);
}

function classify(value: unknown, found: string): LoadedTaskApp | undefined {
  if (typeof value === "function" && value.length > 0) {
    return { kind: "app", app: value as FetchHandler, found };
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (typeof Reflect.get(value, "fetch") === "function") {
    return { kind: "app", app: value as TaskAppHandler, found };
  }
  const hasId = Reflect.has(value, "appId") || Reflect.has(value, "app_id");
  if (hasId && typeof Reflect.get(value, "rollout") === "function") {
    return { kind: "config", config: value as TaskAppConfigInput, found };
  }
  return undefined;
}

async function call(factory: object, name: string, file: string): Promise<unknown> {
  try {
    return await Reflect.apply(factory as () => unknown, undefined, []);
  } catch (cause) {
    throw new SynthError(`${name}() of ${file} failed: ${messageOf(cause)}`, {
      code: "task_app_factory_failed",
      cause,
    });
  }
}

async function findRegistered(url: URL, options: LoadOptions): Promise<LoadedTaskApp | undefined> {
  const stem = shown(url).replace(ENDINGS, "");
  const names = options.appId ? [options.appId, stem] : [stem];
  for (const name of names) {
    const config = await (options.lookup ?? registered)(name);
    if (config !== undefined) return { kind: "config", config, found: `registry: ${name}` };
  }
  return undefined;
}

async function registered(name: string): Promise<TaskAppConfigInput | undefined> {
  return taskApps.has(name) ? await taskApps.get(name).configFactory() : undefined;
}

async function moduleUrl(path: string | URL): Promise<URL> {
  const text = path instanceof URL ? path.pathname : path;
  if (!ENDINGS.test(text)) {
    throw new SynthError(`${text} is no module: its name has to end in .ts or .js`, {
      code: "task_app_file_invalid",
      status: 400,
      exitCode: EXIT.usage,
      hint: "Name a file of TypeScript or JavaScript that exports a task app",
    });
  }
  let real: string;
  try {
    real = await Deno.realPath(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new SynthError(`There is no file ${text}`, {
      code: "task_app_file_not_found",
      status: 404,
      hint: "Check the path of the task app",
    });
  }
  return fileUrl(real);
}

function fileUrl(path: string): URL {
  const url = new URL("file:///");
  // Percent signs first: the setter takes the rest as it is meant.
  url.pathname = path.replaceAll("%", "%25").replaceAll("\\", "/").replaceAll("?", "%3F")
    .replaceAll("#", "%23");
  return url;
}

/** The file's name: a whole path says too much of the machine for a log that travels. */
function shown(url: URL): string {
  return decodeURIComponent(url.pathname.slice(url.pathname.lastIndexOf("/") + 1));
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function missing(file: string, exports: Readonly<Record<string, unknown>>): SynthError {
  const names = Object.keys(exports).map((name) => `${name} (${kindOf(exports[name])})`);
  return new SynthError(
    `${file} exports no task app; it exports ${names.length === 0 ? "nothing" : names.join(", ")}`,
    {
      code: "task_app_missing",
      status: 400,
      exitCode: EXIT.usage,
      hint:
        "Export one of: a Hono app or fetch handler as default or app; a configuration as config, or made by buildConfig(); or register one under APP_ID or the file's name",
    },
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}

/** The handler that is served, from whatever was given. @module */
import { type Clock, type Logger, systemClock } from "@synth/core";
import { readEnv } from "@synth/core/platform";
import type { TaskAppConfigInput } from "../contract/task_app_config.ts";
import { createTaskApp, type TaskApp } from "../server/task_app.ts";
import { defaultLog } from "./default_log.ts";
import { asFetchHandler, type LoadedTaskApp, loadTaskApp } from "./load_task_app.ts";
import type { FetchHandler, InProcessTaskAppOptions } from "./options.ts";

/** What can be served. */
export interface OpenSource {
  readonly handler: FetchHandler;
  readonly appId: string | null;
  /** Runs the start hooks of a task app that has some. */
  started(): Promise<void>;
  /** Ends what runs and calls the stop hooks. */
  stop(): Promise<void>;
}

/** What a source is made with. */
export interface SourceContext {
  /** The key that the server of a configuration accepts, beside the aliases of the environment. */
  readonly key: string | null;
  readonly env: (name: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Makes the handler of the one source that the options name. @throws what its factory, its file or its configuration does */
export async function openSource(
  options: InProcessTaskAppOptions,
  context: SourceContext,
): Promise<OpenSource> {
  if (options.app !== undefined) return fromApp(options.app);
  if (options.config !== undefined) return fromConfig(options.config, context);
  if (options.configFactory !== undefined) {
    return fromConfig(await options.configFactory(), context);
  }
  const loaded = await loadTaskApp(options.taskAppPath ?? "", {
    appId: context.env("APP_ID"),
  });
  return fromLoaded(loaded, context);
}

/** Makes the handler of what a file held. */
export function fromLoaded(loaded: LoadedTaskApp, context: SourceContext): OpenSource {
  context.log.info("the task app was found", { export: loaded.found });
  return loaded.kind === "config" ? fromConfig(loaded.config, context) : fromApp(loaded.app);
}

function fromApp(app: NonNullable<InProcessTaskAppOptions["app"]>): OpenSource {
  if (isTaskApp(app)) return fromTaskApp(app);
  return {
    handler: asFetchHandler(app),
    appId: null,
    started: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
}

function fromConfig(config: TaskAppConfigInput, context: SourceContext): OpenSource {
  const { key, env, clock, log } = context;
  const ours = (name: string) => name === "ENVIRONMENT_API_KEY" ? key ?? undefined : env(name);
  return fromTaskApp(createTaskApp(config, { env: key === null ? env : ours, clock, log }));
}

/** By its members: the app's file may have a copy of this package of its own. */
function isTaskApp(app: object): app is TaskApp {
  const config: unknown = Reflect.get(app, "config");
  const hasId = typeof config === "object" && config !== null &&
    typeof Reflect.get(config, "appId") === "string";
  return hasId &&
    ["fetch", "start", "stop"].every((name) => typeof Reflect.get(app, name) === "function");
}

function fromTaskApp(app: TaskApp): OpenSource {
  return {
    handler: (request) => app.fetch(request),
    appId: app.config.appId,
    started: () => app.start(),
    stop: () => app.stop(),
  };
}

/**
 * Loads a file and makes what it exports ready to be served, with this process's environment, clock and stderr.
 *
 * @throws {SynthError} as `loadTaskApp`, and `invalid_task_app_config`
 */
export async function loadSource(path: string | URL): Promise<OpenSource> {
  const loaded = await loadTaskApp(path, { appId: readEnv("APP_ID") });
  const log = defaultLog(readEnv, systemClock);
  return fromLoaded(loaded, { key: null, env: readEnv, clock: systemClock, log });
}

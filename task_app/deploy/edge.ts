/**
 * A task app at the edge: what `synth deploy --runtime worker|deno-deploy` puts around a file's exports. Needs no file system and no Deno.
 *
 * ```ts
 * import { edgeTaskApp } from "@synth/task-app/edge";
 *
 * const app = edgeTaskApp({ default: { fetch: () => Response.json({ healthy: true }) } }, "app.ts");
 * const response = await app.fetch(new Request("https://app.example/health"), {});
 * console.log(response.status); // 200
 * ```
 *
 * @module
 */
import { SynthError } from "@synth/core";
import { hasDeno, readEnv } from "@synth/core/platform";
import type { TaskAppConfigInput } from "../contract/task_app_config.ts";
import { asFetchHandler, findTaskApp, type LoadedTaskApp } from "../in_process/load_task_app.ts";
import { taskApps } from "../registry/registry.ts";
import { createTaskApp } from "../server/task_app.ts";

/** What a platform calls. */
export interface EdgeTaskApp {
  /** @param bindings a Worker's variables and secrets; on Deno something else, which is not looked at */
  fetch(request: Request, bindings?: unknown): Promise<Response>;
}

type Handler = (request: Request) => Response | Promise<Response>;

/** Serves the task app among the exports of a module; it is made at the first request, for a Worker has no variables before. @param file its name, for errors and the registry */
export function edgeTaskApp(
  exports: Readonly<Record<string, unknown>>,
  file: string,
): EdgeTaskApp {
  let made: Promise<Handler> | null = null;
  return {
    async fetch(request, bindings) {
      try {
        made ??= makeHandler(exports, file, variables(bindings));
        return await (await made)(request);
      } catch (error) {
        if (error instanceof SynthError) return error.toResponse();
        throw error;
      }
    },
  };
}

async function makeHandler(
  exports: Readonly<Record<string, unknown>>,
  file: string,
  env: (name: string) => string | undefined,
): Promise<Handler> {
  const found = await findTaskApp(exports, file) ?? await findRegistered(file, env("APP_ID"));
  if (found === null) {
    throw new SynthError(`${file} exports no task app`, { code: "task_app_missing" });
  }
  if (found.kind === "config") return serverOf(found.config, env);
  // A server that was made where there were no variables yet has no key: it is made again with them.
  const config: unknown = hasDeno() ? undefined : Reflect.get(found.app, "config");
  if (isConfig(config)) return serverOf(config, env);
  return asFetchHandler(found.app);
}

function serverOf(
  config: TaskAppConfigInput,
  env: (name: string) => string | undefined,
): Handler {
  const app = createTaskApp(config, { env });
  return (request) => app.fetch(request);
}

async function findRegistered(
  file: string,
  appId: string | undefined,
): Promise<LoadedTaskApp | null> {
  for (const name of [appId, file.replace(/\.[a-z]{2,3}$/, "")]) {
    if (name === undefined || !taskApps.has(name)) continue;
    return { kind: "config", config: await taskApps.get(name).configFactory(), found: "registry" };
  }
  return null;
}

function isConfig(value: unknown): value is TaskAppConfigInput {
  return typeof value === "object" && value !== null &&
    typeof Reflect.get(value, "appId") === "string" &&
    typeof Reflect.get(value, "rollout") === "function";
}

function variables(bindings: unknown): (name: string) => string | undefined {
  const own = typeof bindings === "object" && bindings !== null ? bindings : {};
  return (name) => {
    const value: unknown = Object.hasOwn(own, name) ? Reflect.get(own, name) : undefined;
    return typeof value === "string" ? value : readEnv(name);
  };
}

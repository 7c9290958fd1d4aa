/**
 * Task apps that live in this process: served, checked, recorded and reached through a tunnel; and jobs that are run against them. Needs Deno.
 *
 * ```ts
 * import { InProcessTaskApp } from "@synth/task-app/in-process";
 *
 * await using app = await InProcessTaskApp.start({
 *   app: () => Response.json({ healthy: true }),
 *   tunnelMode: "local",
 *   port: 0,
 *   apiKey: null,
 * });
 * await fetch(`${app.url}/health`);
 * ```
 *
 * @module
 */
export { InProcessTaskApp } from "./in_process_task_app.ts";
export type {
  FetchHandler,
  InProcessTaskAppOptions,
  LifecycleCallback,
  TaskAppHandler,
  TaskAppMode,
} from "./options.ts";
export {
  FACTORY_EXPORTS,
  findTaskApp,
  type LoadedTaskApp,
  type LoadOptions,
  loadTaskApp,
  VALUE_EXPORTS,
} from "./load_task_app.ts";
export { REQUIRED_ROUTES, type RouteCheck, validateTaskApp } from "./validate_task_app.ts";
export { type HealthOptions, waitForHealth } from "./health.ts";
export { findEnvironmentKey, type FoundEnvironmentKey, type KeySources } from "./api_key.ts";
export { fromLoaded, type OpenSource, openSource, type SourceContext } from "./source.ts";
export { listen, type Listener, type ListenOptions } from "./listen.ts";

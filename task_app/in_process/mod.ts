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
  type ConfigLookup,
  FACTORY_EXPORTS,
  findTaskApp,
  type LoadedTaskApp,
  type LoadOptions,
  loadTaskApp,
  VALUE_EXPORTS,
} from "./load_task_app.ts";
export { REQUIRED_ROUTES, type RouteCheck, validateTaskApp } from "./validate_task_app.ts";
export {
  announceRunningApp,
  registryOfEnvironment,
  type RegistryTarget,
  type RunningApp,
} from "./announce_running_app.ts";
export { fixedAddressOf } from "./open_tunnel.ts";
export { type HealthOptions, waitForHealth } from "./health.ts";
export { findEnvironmentKey, type FoundEnvironmentKey, type KeySources } from "./api_key.ts";
export { fromLoaded, loadSource, type OpenSource, type SourceContext } from "./source.ts";
export { listen, type Listener, type ListenOptions } from "./listen.ts";
export {
  type InProcessJobOptions,
  type InProcessJobResult,
  runInProcessJob,
} from "./job/run_in_process_job.ts";
export type { JobStatus } from "./job/job_client.ts";
export type { InProcessJobType } from "./job/job_payload.ts";
export { type JobTable, mergeDotOverrides } from "./job/merge_dot_overrides.ts";
export { resolveBackendBase } from "./job/backend_base.ts";

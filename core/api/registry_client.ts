import * as z from "zod";
import type { ApiCaller } from "./api_caller.ts";
import {
  type AnnouncementRequest,
  type RegisteredTaskApp,
  RegisteredTaskAppSchema,
  RemovedTaskAppSchema,
} from "./registry.ts";

const TASK_APPS = "/api/v1/registry/task-apps";
const TaskApps = z.array(RegisteredTaskAppSchema);

/** The task apps of the caller's org that announced themselves. Every verb needs the scope `sessions`. */
export class RegistryClient {
  readonly #api: ApiCaller;

  constructor(api: ApiCaller) {
    this.#api = api;
  }

  /** Says that a task app runs: makes its entry, or keeps it. */
  async announce(appId: string, announcement: AnnouncementRequest): Promise<RegisteredTaskApp> {
    return await this.#api.call("PUT", at(appId), RegisteredTaskAppSchema, { body: announcement });
  }

  /** Those that still run, newest first; up to 1000. */
  async list(query: { readonly limit?: number } = {}): Promise<RegisteredTaskApp[]> {
    return await this.#api.call("GET", TASK_APPS, TaskApps, { query: { ...query } });
  }

  /** One of them. @throws {SynthError} 404 `task_app_not_found` */
  async get(appId: string): Promise<RegisteredTaskApp> {
    return await this.#api.call("GET", at(appId), RegisteredTaskAppSchema);
  }

  /**
   * Takes an entry away.
   *
   * @param instanceId only when it is that instance's
   * @returns whether there was one
   */
  async remove(appId: string, instanceId?: string): Promise<boolean> {
    const query = { instance_id: instanceId };
    const { removed } = await this.#api.call("DELETE", at(appId), RemovedTaskAppSchema, { query });
    return removed;
  }
}

function at(appId: string): string {
  return `${TASK_APPS}/${encodeURIComponent(appId)}`;
}

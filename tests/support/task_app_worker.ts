/** A task app as a Worker: its keys are the Worker's own. */
import { createTaskApp, type TaskApp } from "../../task_app/server/mod.ts";

type Bindings = { readonly [name: string]: string };

let app: TaskApp | undefined;

function appOf(env: Bindings): TaskApp {
  return app ??= createTaskApp({
    appId: "at-the-edge",
    name: "At the edge",
    description: "Gives 1 for each rollout",
    baseTaskInfo: { task: { id: "edge", name: "Edge" }, environment: "edge" },
    describeTaskset: () => ({ size: 1 }),
    provideTaskInstances: (seeds) =>
      seeds.map((seed) => ({ task: { id: `edge-${seed}`, name: "Edge" }, environment: "edge" })),
    rollout: async (request, { clock, signal }) => {
      if (request.run_id === "slow") await clock.sleep(60_000, signal);
      return { metrics: { reward_mean: 1 } };
    },
  }, { env: (name) => env[name] });
}

export default {
  fetch: async (request: Request, env: Bindings): Promise<Response> =>
    await appOf(env).fetch(request),
};

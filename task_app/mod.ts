/**
 * The task-app toolkit: the HTTP contract between a trainer and the thing that it trains on, a server for it, and what finds, runs and
 * reaches such servers.
 *
 * ```ts
 * import { createTaskApp, TaskAppClient } from "@synth/task-app";
 *
 * const app = createTaskApp({
 *   appId: "echo",
 *   name: "Echo",
 *   description: "Gives 1 for each rollout",
 *   baseTaskInfo: { task: { id: "echo", name: "Echo" }, environment: "echo" },
 *   describeTaskset: () => ({ size: 10 }),
 *   provideTaskInstances: (seeds) =>
 *     seeds.map((seed) => ({ task: { id: `echo-${seed}`, name: "Echo" }, environment: "echo" })),
 *   rollout: () => ({ metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 } }),
 * }, { env: (name) => (name === "ENVIRONMENT_API_KEY" ? "dev" : undefined) });
 *
 * // In place of a server: Deno.serve({ port: 8114 }, app.fetch)
 * const fetch = async (input: RequestInfo | URL, init?: RequestInit) =>
 *   await app.fetch(new Request(input, init));
 * const client = new TaskAppClient({ baseUrl: "http://127.0.0.1:8114", apiKey: "dev", fetch });
 * const answer = await client.rollout({ run_id: "run-1", env: { seed: 7 }, policy: {}, mode: "eval" });
 * console.log(answer.metrics.mean_return); // 1
 * ```
 *
 * @module
 */
export * from "./announce.ts";
export * from "./app_info.ts";
export * from "./client.ts";
export * from "./contract/mod.ts";
export * from "./datasets/mod.ts";
export * from "./endpoint_validation.ts";
export * from "./health.ts";
export * from "./registry/registry.ts";
export * from "./rubrics/mod.ts";
export * from "./server/mod.ts";
export * from "./urls.ts";

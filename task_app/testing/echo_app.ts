/** A small task app for tests. */
import { createLogger, type Json, type Logger } from "@synth/core";
import type { RolloutResponseInput } from "../contract/rollout_response.ts";
import type { TaskAppConfig } from "../contract/task_app_config.ts";
import type { TaskInfoInput } from "../contract/task_info.ts";
import type { TaskAppOptions } from "../server/options.ts";
import { createTaskApp, type TaskApp } from "../server/task_app.ts";

export const KEY = "env-key-0123456789abcdef";
export const INFERENCE_URL = "https://host.example/v1/chat/completions?x=1&cid=trace_run-1";

/** A configuration whose rollouts give 1. */
export function echoConfig(changes: Partial<TaskAppConfig> = {}): TaskAppConfig {
  return {
    appId: "echo",
    name: "Echo",
    description: "Gives 1 for each rollout",
    baseTaskInfo: { ...instance("echo"), dataset: { id: "rows" }, extra: { kept: true } },
    describeTaskset: () => ({ size: 10, scenario_ids: ["a"] }),
    provideTaskInstances: (seeds) => seeds.map((seed) => instance(`echo-${seed}`)),
    rollout: () => goodAnswer(),
    ...changes,
  };
}

export function instance(id: string): TaskInfoInput {
  return { task: { id, name: "Echo", version: "1.2" }, environment: "echo" };
}

/** An answer that keeps the RL rules. */
export function goodAnswer(): RolloutResponseInput {
  return {
    trajectories: [{
      env_id: "echo",
      policy_id: "p",
      length: 1,
      inference_url: INFERENCE_URL,
      steps: [{ obs: {}, done: true, info: { meta: { inference_url: INFERENCE_URL } } }],
    }],
    metrics: { episode_returns: [1], mean_return: 1, num_steps: 1 },
    pipeline_metadata: { inference_url: INFERENCE_URL },
  };
}

/** The body of a rollout. */
export function rolloutBody(changes: { [key: string]: unknown } = {}): { [key: string]: unknown } {
  return {
    run_id: "run-1",
    env: { seed: 7 },
    policy: { config: { inference_url: INFERENCE_URL } },
    mode: "rl",
    ...changes,
  };
}

/** An environment of these variables. */
export function envOf(values: { [name: string]: string }): (name: string) => string | undefined {
  return (name) => (Object.hasOwn(values, name) ? values[name] : undefined);
}

/** A log whose records can be read. */
export function recordingLog(): { log: Logger; lines: string[]; records(): LogRecord[] } {
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line), level: "debug" });
  return { log, lines, records: () => lines.map((line): LogRecord => JSON.parse(line)) };
}

export type LogRecord = { [key: string]: Json };

/** A task app with the key {@linkcode KEY}, and what it logs. */
export function echoApp(
  changes: Partial<TaskAppConfig> = {},
  options: TaskAppOptions = {},
): { app: TaskApp; log: ReturnType<typeof recordingLog> } {
  const log = recordingLog();
  const env = envOf({ ENVIRONMENT_API_KEY: KEY });
  return { app: createTaskApp(echoConfig(changes), { env, log: log.log, ...options }), log };
}

/** Sends the body of a rollout. */
export async function postRollout(
  app: TaskApp,
  body: unknown = rolloutBody(),
  init: RequestInit = {},
): Promise<{ status: number; body: Answer; headers: Headers }> {
  const response = await app.request("/rollout", {
    method: "POST",
    headers: { "x-api-key": KEY, "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

/** A JSON object that a test looks into. */
// deno-lint-ignore no-explicit-any
export type Answer = any;

/** The codes of the issues in an error's answer, by path. */
export function issueCodes(body: Answer): string[] {
  return body.error.issues.map((issue: { code: string; path: string }) =>
    `${issue.path} ${issue.code}`
  );
}

/** `GET /info` and `GET /task_info`. @module */
import { SynthError } from "@synth/core";
import { contractIssues, issuesJson } from "../contract/contract_issue.ts";
import type { TaskAppConfig } from "../contract/task_app_config.ts";
import { type TaskAppInfo, type TaskInfo, TaskInfoSchema } from "../contract/task_info.ts";
import { parseSeeds } from "./seeds.ts";

/** What `/info` shows. */
export function taskAppInfo(config: TaskAppConfig): TaskAppInfo {
  const { task, dataset, inference, limits } = TaskInfoSchema.parse(config.baseTaskInfo);
  const { rubrics } = config;
  return {
    service: { task, version: task.version ?? null },
    dataset,
    rubrics: rubrics === undefined
      ? null
      : { outcome: rubrics.outcome ?? null, events: rubrics.events ?? null },
    inference,
    limits,
  };
}

/**
 * What `/task_info` answers: the task set without a seed, a bare object for one, a list for many.
 *
 * @throws {SynthError} 422 for the seeds; 500 `invalid_task_instances`, `invalid_taskset`
 */
export async function taskInfo(
  config: TaskAppConfig,
  query: URLSearchParams,
): Promise<{ taskset: unknown } | TaskInfo | TaskInfo[]> {
  const seeds = parseSeeds(query, config.limits?.maxSeeds ?? 1000);
  if (seeds.length === 0) {
    const taskset: unknown = await config.describeTaskset();
    if (typeof taskset === "object" && taskset !== null && !Array.isArray(taskset)) {
      return { taskset };
    }
    throw new SynthError("describeTaskset must return an object", {
      code: "invalid_taskset",
      status: 500,
    });
  }
  const given: unknown = await config.provideTaskInstances(seeds);
  const instances = await collect(given, seeds.length);
  if (instances.length !== seeds.length) {
    const more = instances.length > seeds.length ? "more" : instances.length;
    throw wrongInstances(
      `provideTaskInstances must give one instance for each of ${seeds.length} seeds, and gave ${more}`,
    );
  }
  const parsed = instances.map(parseInstance);
  const [only] = parsed;
  return parsed.length === 1 && only !== undefined ? only : parsed;
}

/** At most one more than is wanted: the application may have an endless generator. */
async function collect(given: unknown, wanted: number): Promise<unknown[]> {
  const instances: unknown[] = [];
  if (!isIterable(given)) throw wrongInstances("provideTaskInstances must return an iterable");
  for await (const instance of given) {
    instances.push(instance);
    if (instances.length > wanted) break;
  }
  return instances;
}

function parseInstance(instance: unknown, index: number): TaskInfo {
  const result = TaskInfoSchema.safeParse(instance);
  if (result.success) return result.data;
  const issues = contractIssues(result.error).map((issue) => ({
    ...issue,
    path: issue.path === "" ? `[${index}]` : `[${index}].${issue.path}`,
  }));
  throw new SynthError("provideTaskInstances gave an instance that is not valid", {
    code: "invalid_task_instances",
    status: 500,
    hint: "The task app must be mended: `issues` lists what is wrong",
    details: { issues: issuesJson(issues) },
  });
}

function isIterable(value: unknown): value is Iterable<unknown> | AsyncIterable<unknown> {
  if (typeof value !== "object" || value === null) return false;
  return typeof Reflect.get(value, Symbol.iterator) === "function" ||
    typeof Reflect.get(value, Symbol.asyncIterator) === "function";
}

function wrongInstances(message: string): SynthError {
  return new SynthError(message, { code: "invalid_task_instances", status: 500 });
}

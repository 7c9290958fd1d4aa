/** What is sent to the backend for a job. @module */
import { parse } from "@std/toml";
import { EXIT, SynthError } from "@synth/core";
import { type JobTable, mergeDotOverrides } from "./merge_dot_overrides.ts";

/** Kinds of jobs that run against a task app. */
export type InProcessJobType = "prompt_learning" | "rl";

/** Where the job finds the task app. */
export interface JobTarget {
  readonly url: string;
  /** `null`: it asks for none. */
  readonly apiKey: string | null;
  /** What its tunnel asks of callers, such as `CF-Access-Client-Id`; empty when nothing. Secret. */
  readonly accessHeaders?: Readonly<Record<string, string>>;
}

/** A request that starts a job. */
export interface JobRequest {
  /** Behind the backend's base. */
  readonly path: string;
  readonly body: JobTable;
}

/** Reads a job's configuration. @throws {SynthError} `job_config_not_found` (exit code 3), `job_config_invalid` (2) */
export async function readJobConfig(path: string | URL): Promise<JobTable> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new SynthError(`There is no file ${path}`, {
      code: "job_config_not_found",
      status: 404,
      hint: "Name the job's TOML file",
    });
  }
  try {
    return parse(text);
  } catch (cause) {
    // The first line: the rest shows the text, which may hold a key.
    const [why] = cause instanceof Error ? cause.message.split("\n", 1) : [String(cause)];
    throw invalid(`${path} is not valid TOML: ${why}`);
  }
}

/** The request for a job. @throws {SynthError} `job_config_invalid`, `invalid_override`, exit code 2 */
export function jobRequest(
  type: InProcessJobType,
  config: Readonly<JobTable>,
  overrides: Readonly<JobTable>,
  target: JobTarget,
): JobRequest {
  return type === "rl" ? rl(config, overrides, target) : promptLearning(config, overrides, target);
}

/** Where the state of a job is asked. */
export function jobPath(type: InProcessJobType, id: string): string {
  const kind = type === "rl" ? "rl" : "prompt-learning/online";
  return `/${kind}/jobs/${encodeURIComponent(id)}`;
}

function promptLearning(
  config: Readonly<JobTable>,
  overrides: Readonly<JobTable>,
  target: JobTarget,
): JobRequest {
  const { url, apiKey } = target;
  const access = accessSettings(target);
  const key = (name: string) => apiKey === null ? {} : { [name]: apiKey };
  // Ours last: the job has to reach the app that was started for it.
  const all = {
    ...overrides,
    task_url: url,
    ...key("task_app_api_key"),
    "prompt_learning.task_app_url": url,
    ...key("prompt_learning.task_app_api_key"),
    ...access,
    ...prefixed("prompt_learning", access),
  };
  const { prompt_learning: settings } = mergeDotOverrides(config, all);
  const algorithm = table(config["prompt_learning"], "prompt_learning")["algorithm"];
  if (typeof algorithm !== "string" || algorithm === "") {
    throw invalid("[prompt_learning] has no algorithm");
  }
  return {
    path: "/prompt-learning/online/jobs",
    body: {
      algorithm,
      config_body: { prompt_learning: settings },
      overrides: all,
      metadata: {},
      auto_start: true,
    },
  };
}

function rl(
  config: Readonly<JobTable>,
  overrides: Readonly<JobTable>,
  target: JobTarget,
): JobRequest {
  const { url } = target;
  const merged = mergeDotOverrides(config, {
    ...overrides,
    "services.task_url": url,
    ...prefixed("services", accessSettings(target)),
    "reference.placement": "none",
  });
  delete merged["smoke"];
  const { base, source } = table(merged["model"], "model");
  if ((typeof base === "string") === (typeof source === "string")) {
    throw invalid("[model] needs exactly one of base and source");
  }
  const model = typeof base === "string" ? { base_model: base } : { model: source };
  return {
    path: "/rl/jobs",
    body: {
      job_type: "rl",
      compute: merged["compute"] ?? {},
      data: { endpoint_base_url: url, config: merged, ...model },
      tags: { source: "in-process" },
      metadata: {},
    },
  };
}

/** How a job names the headers of Cloudflare Access: the variables of the environment, in lower case. */
function accessSettings({ accessHeaders = {} }: JobTarget): Record<string, string> {
  const headers = new Headers(accessHeaders);
  const id = headers.get("cf-access-client-id");
  const secret = headers.get("cf-access-client-secret");
  if (id === null || secret === null) return {};
  return { cf_access_client_id: id, cf_access_client_secret: secret };
}

function prefixed(name: string, settings: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(settings).map(([key, value]) => [`${name}.${key}`, value]),
  );
}

function table(value: unknown, name: string): JobTable {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as JobTable;
  }
  throw invalid(`The job's configuration has no table [${name}]`);
}

function invalid(message: string): SynthError {
  return new SynthError(message, {
    code: "job_config_invalid",
    status: 400,
    exitCode: EXIT.usage,
    hint: "docs/sdk/in-process-task-app.md says what a job's configuration has",
  });
}

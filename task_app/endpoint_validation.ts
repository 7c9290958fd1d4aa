import { type Clock, redactText, SynthError } from "@synth/core";
import { TaskAppClient } from "./client.ts";
import { checkTaskAppHealth } from "./health.ts";
import { validateTaskAppUrl } from "./urls.ts";

/** How one question to a task app ended. */
export interface EndpointCheck {
  ok: boolean;
  /** The error's code, when it failed. */
  error?: string;
  message?: string;
}

/** What {@linkcode validateTaskAppEndpoint} found. */
export interface EndpointValidation {
  url: string;
  endpoints: Record<"root" | "health" | "info" | "task_info", EndpointCheck>;
  /** `required` is null when that could not be seen. */
  auth: EndpointCheck & { required: boolean | null };
  task_instances: EndpointCheck & { requested: number; found: number; needed: number };
  /** Whether everything is as it should be. */
  overall: boolean;
}

/** How {@linkcode validateTaskAppEndpoint} asks. */
export interface EndpointValidationOptions {
  apiKey?: string | undefined;
  /** Seeds that must have an instance. @default {10} */
  minInstances?: number;
  /** Milliseconds for each question. @default {10_000} */
  timeoutMs?: number;
  signal?: AbortSignal | undefined;
  fetch?: typeof globalThis.fetch;
  clock?: Clock;
  /** Told of each question as it ends. */
  onCheck?: (name: string, check: EndpointCheck) => void;
}

/** Seeds that may be missing among those that are asked for. */
const SPARE_SEEDS = 5;

/**
 * Asks a task app all that a trainer will: `/`, `/health`, `/info`, `/task_info`, then seeds one by one until enough have an instance.
 *
 * @throws {SynthError} 400 `invalid_task_app_url`; whatever goes wrong later is in the result
 */
export async function validateTaskAppEndpoint(
  url: string,
  options: EndpointValidationOptions = {},
): Promise<EndpointValidation> {
  const { apiKey, fetch, clock, signal, timeoutMs = 10_000, minInstances = 10 } = options;
  const base = validateTaskAppUrl(url);
  const ports = {
    ...(fetch === undefined ? {} : { fetch }),
    ...(clock === undefined ? {} : { clock }),
  };
  const client = new TaskAppClient({ baseUrl: base, apiKey, timeoutMs, retries: 1, ...ports });
  const check = async (name: string, ask: () => Promise<unknown>): Promise<EndpointCheck> => {
    const outcome = await tryCheck(ask);
    options.onCheck?.(name, outcome);
    return outcome;
  };
  const root = await check("root", () => reachRoot(base, { ...options, timeoutMs }));
  const health = await check("health", () => client.health({ signal }));
  const info = await check("info", () => client.info({ signal }));
  const taskset = await check("task_info", () => client.taskset({ signal }));
  const bare = await checkTaskAppHealth(base, { timeoutMs, signal, info: false, ...ports });
  const required = bare.status === "unreachable" ? null : bare.status === "unauthorized";
  const instances = await countInstances(client, minInstances, signal);
  options.onCheck?.("task_instances", instances);
  const endpoints = { root, health, info, task_info: taskset };
  return {
    url: base,
    endpoints,
    auth: { ...health, required },
    task_instances: instances,
    overall: Object.values(endpoints).every(({ ok }) => ok) && instances.ok,
  };
}

/** Whether anything answers at a URL: HEAD, then GET. */
export async function taskAppHealth(
  url: string,
  options: Pick<EndpointValidationOptions, "fetch" | "timeoutMs" | "signal"> = {},
): Promise<{ ok: true; status: number } | { ok: false; error: string }> {
  let error = "";
  for (const method of ["HEAD", "GET"]) {
    try {
      const response = await once(url, method, options);
      if (response.status < 400) return { ok: true, status: response.status };
      error = `HTTP ${response.status}`;
    } catch (cause) {
      error = redactText(cause instanceof Error ? cause.message : String(cause)).slice(0, 500);
    }
  }
  return { ok: false, error };
}

async function reachRoot(base: string, options: EndpointValidationOptions): Promise<void> {
  const found = await taskAppHealth(`${base}/`, options);
  if (!found.ok) throw new SynthError(found.error, { code: "root_unreachable", status: 502 });
}

async function once(
  url: string,
  method: string,
  options: Pick<EndpointValidationOptions, "fetch" | "timeoutMs" | "signal">,
): Promise<Response> {
  const timeout = AbortSignal.timeout(options.timeoutMs ?? 10_000);
  const signal = options.signal === undefined
    ? timeout
    : AbortSignal.any([timeout, options.signal]);
  const response = await (options.fetch ?? globalThis.fetch)(url, {
    method,
    redirect: "manual",
    signal,
  });
  await response.body?.cancel();
  return response;
}

async function countInstances(
  client: TaskAppClient,
  needed: number,
  signal: AbortSignal | undefined,
): Promise<EndpointValidation["task_instances"]> {
  let found = 0;
  let requested = 0;
  let last: EndpointCheck = { ok: true };
  for (let seed = 0; seed < needed + SPARE_SEEDS && found < needed; seed++) {
    if (signal?.aborted) break;
    requested++;
    const check = await tryCheck(() => client.taskInfo([seed], { signal }));
    if (check.ok) found++;
    else last = check;
  }
  return { ...last, ok: found >= needed, requested, found, needed };
}

async function tryCheck(ask: () => Promise<unknown>): Promise<EndpointCheck> {
  try {
    await ask();
    return { ok: true };
  } catch (error) {
    const code = error instanceof SynthError ? error.code : "failed";
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, error: code, message: redactText(message).slice(0, 500) };
  }
}

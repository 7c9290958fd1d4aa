/** Runs a job against a task app of this process. @module */
import { type Clock, EXIT, SynthError, systemClock } from "@synth/core";
import { readEnv } from "@synth/core/platform";
import { checkTaskAppHealth, type TaskAppHealth } from "../../health.ts";
import { InProcessTaskApp } from "../in_process_task_app.ts";
import type { InProcessTaskAppOptions } from "../options.ts";
import { resolveBackendBase } from "./backend_base.ts";
import { JobClient, type JobStatus } from "./job_client.ts";
import { type InProcessJobType, jobRequest, readJobConfig } from "./job_payload.ts";
import type { JobTable } from "./merge_dot_overrides.ts";

const HEALTH_MS = 10_000;
const POLL_MS = 5_000;
const TIMEOUT_MS = 3_600_000;

/** What a job is run with: all that an {@linkcode InProcessTaskApp} takes (`apiKey` apart), and this. */
export interface InProcessJobOptions extends Omit<InProcessTaskAppOptions, "apiKey"> {
  readonly jobType: InProcessJobType;
  /** The job's TOML file. */
  readonly configPath: string | URL;
  /** See `resolveBackendBase`. */
  readonly backendUrl?: string;
  /** The backend's key. @default {SYNTH_API_KEY} */
  readonly apiKey?: string;
  /** The task app's key; `null`: it asks for none. @default {ENVIRONMENT_API_KEY} */
  readonly taskAppApiKey?: string | null;
  /** Settings by dotted names, over those of the file. */
  readonly overrides?: Readonly<JobTable>;
  /** Sent as `Idempotency-Key`. @default {a new one} */
  readonly idempotencyKey?: string;
  /** Whether to wait for the end. Without, the task app stops as soon as the job was submitted. @default {true} */
  readonly poll?: boolean;
  /** Milliseconds. @default {5_000} */
  readonly pollIntervalMs?: number;
  /** Milliseconds from submitting to the end. @default {3_600_000} */
  readonly timeoutMs?: number;
  /** Called with each answer of the backend. */
  readonly onStatus?: (status: JobStatus) => void | Promise<void>;
  /** For calls of the backend. @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
}

/** How a job went. */
export interface InProcessJobResult {
  readonly jobId: string;
  /** `submitted` when its end was not waited for. */
  readonly status: string;
  readonly taskAppUrl: string;
  /** Ends in `/api`. */
  readonly backendUrl: string;
  /** How the task app was before the job was submitted. */
  readonly taskAppHealth: TaskAppHealth;
  /** The backend's last answer. */
  readonly job: JobStatus["payload"];
}

/**
 * Starts the task app, checks it from where the backend will call it, submits the job, waits for its end, and stops the app, whatever happens. A job that
 * fails is a result; not being able to run one is an error.
 *
 * @throws {SynthError} `synth_api_key_missing`, `environment_api_key_missing` (exit code 4), `job_config_not_found` (3), `job_config_invalid` (2),
 *   `task_app_unhealthy` (6), `backend_error`, `job_timeout` (75), and what the app's start throws
 */
export async function runInProcessJob(options: InProcessJobOptions): Promise<InProcessJobResult> {
  const env = options.env ?? readEnv;
  const clock = options.clock ?? systemClock;
  const base = resolveBackendBase(options.backendUrl, env);
  const client = new JobClient({
    base,
    apiKey: backendKey(options, env),
    clock,
    fetch: options.fetch,
  });
  // Before anything is started: what is wrong with it shows at once.
  const config = await readJobConfig(options.configPath);
  const overrides = options.overrides ?? {};
  jobRequest(options.jobType, config, overrides, { url: "http://unknown", apiKey: null });
  await using app = await InProcessTaskApp.start(appOptions(options));
  const url = app.url ?? "";
  const taskAppHealth = await healthy(app, url, clock, options.signal);
  if (options.jobType === "rl") await client.verifyTaskApp(url, options.signal);
  const request = jobRequest(options.jobType, config, overrides, {
    url,
    apiKey: app.apiKey,
    accessHeaders: app.accessHeaders(),
  });
  const { idempotencyKey, signal } = options;
  const submitted = await client.submit(request, { idempotencyKey, signal });
  const result = { jobId: submitted.jobId, taskAppUrl: url, backendUrl: base, taskAppHealth };
  if (options.poll === false) return { ...result, status: "submitted", job: submitted.payload };
  const last = await client.poll(options.jobType, submitted.jobId, {
    intervalMs: options.pollIntervalMs ?? POLL_MS,
    timeoutMs: options.timeoutMs ?? TIMEOUT_MS,
    onStatus: options.onStatus,
    signal,
  });
  return { ...result, status: last.status, job: last.payload };
}

function appOptions(options: InProcessJobOptions): InProcessTaskAppOptions {
  const { apiKey: _, taskAppApiKey, ...rest } = options;
  return taskAppApiKey === undefined ? rest : { ...rest, apiKey: taskAppApiKey };
}

function backendKey(
  { apiKey }: InProcessJobOptions,
  env: (name: string) => string | undefined,
): string {
  const key = (apiKey ?? env("SYNTH_API_KEY") ?? "").trim();
  if (/^[\x21-\x7e]{1,512}$/.test(key)) return key;
  throw new SynthError(
    key === "" ? "There is no key for the backend" : "The backend's key cannot be sent",
    {
      code: "synth_api_key_missing",
      status: 401,
      exitCode: EXIT.auth,
      hint: "Set SYNTH_API_KEY (synth setup makes one) or pass apiKey",
    },
  );
}

async function healthy(
  app: InProcessTaskApp,
  url: string,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<TaskAppHealth> {
  const health = await checkTaskAppHealth(url, {
    apiKey: app.apiKey ?? undefined,
    headers: app.accessHeaders(),
    timeoutMs: HEALTH_MS,
    clock,
    signal,
  });
  signal?.throwIfAborted();
  if (health.status === "healthy" || health.status === "degraded") return health;
  throw new SynthError(`The task app at ${url} is ${health.status}`, {
    code: "task_app_unhealthy",
    status: 503,
    exitCode: EXIT.checks,
    hint: "Ask its /health with the same key; a tunnel may need a moment more",
  });
}

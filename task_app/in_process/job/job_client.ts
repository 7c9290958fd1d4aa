/** Jobs at the backend. @module */
import {
  type Clock,
  decodeUtf8,
  fetchWithPolicy,
  type Json,
  newId,
  parseJsonLimited,
  readBodyLimited,
  redactText,
  SynthError,
} from "@synth/core";
import { type InProcessJobType, jobPath, type JobRequest } from "./job_payload.ts";

/** What the backend says of a job. */
export interface JobStatus {
  readonly jobId: string;
  /** `queued`, `running` ... as the backend names it, in lower case. */
  readonly status: string;
  /** Whether it will not change any more. */
  readonly done: boolean;
  /** All that the backend answered: `progress`, `metrics`, `final_reward` ... */
  readonly payload: { readonly [key: string]: Json };
}

/** How jobs are waited for. */
export interface PollOptions {
  /** Milliseconds. */
  readonly intervalMs: number;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly onStatus?: ((status: JobStatus) => void | Promise<void>) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a client is made with. */
export interface JobClientOptions {
  /** Ends in `/api`. */
  readonly base: string;
  readonly apiKey: string;
  readonly clock: Clock;
  readonly fetch?: typeof globalThis.fetch | undefined;
}

const TERMINAL = new Set(["succeeded", "completed", "failed", "cancelled", "canceled"]);
const REQUEST_MS = 60_000;
const MAX_BODY = 16 * 1024 * 1024;

/** Starts jobs and asks how they are. */
export class JobClient {
  readonly #options: JobClientOptions;

  constructor(options: JobClientOptions) {
    this.#options = options;
  }

  /** Starts a job. Sent once: a backend that does not know `Idempotency-Key` would start, and bill, another. @throws {SynthError} `backend_error`, `connection_failed` */
  async submit(
    request: JobRequest,
    options: {
      readonly idempotencyKey?: string | undefined;
      readonly signal?: AbortSignal | undefined;
    },
  ): Promise<JobStatus> {
    const payload = await this.#call("POST", request.path, options.signal, {
      body: JSON.stringify(request.body),
      headers: { "idempotency-key": options.idempotencyKey ?? newId("idem_") },
    });
    const id = payload["job_id"] ?? payload["id"];
    if (typeof id === "string" && id !== "") return statusOf(id, payload);
    throw new SynthError("The backend's answer names no job", {
      code: "backend_error",
      status: 502,
      hint: "The job may have been started: look for it at the backend before you try again",
    });
  }

  /** Asks the backend whether it can reach the task app, as RL jobs need. @throws {SynthError} `task_app_not_reachable` */
  async verifyTaskApp(url: string, signal?: AbortSignal): Promise<void> {
    const answer = await this.#call("POST", "/rl/verify_task_app", signal, {
      body: JSON.stringify({ endpoint_base_url: url }),
      headers: {},
    });
    if (answer["any_ok"] === true) return;
    throw new SynthError(`The backend cannot reach the task app at ${url}`, {
      code: "task_app_not_reachable",
      status: 503,
      hint: "Use a tunnel: the modes quick, managed or preconfigured",
    });
  }

  /** How a job is. */
  async status(type: InProcessJobType, id: string, signal?: AbortSignal): Promise<JobStatus> {
    return statusOf(id, await this.#call("GET", jobPath(type, id), signal));
  }

  /** Waits until a job is done; failures to ask that may pass are tried again. @throws {SynthError} `job_timeout`, exit code 75; the signal's reason */
  async poll(type: InProcessJobType, id: string, options: PollOptions): Promise<JobStatus> {
    const { clock } = this.#options;
    const end = clock.monotonic() + options.timeoutMs;
    while (true) {
      const status = await this.#ask(type, id, options.signal);
      if (status !== null) await options.onStatus?.(status);
      if (status?.done) return status;
      if (clock.monotonic() + options.intervalMs > end) throw timeout(id, options.timeoutMs);
      await clock.sleep(options.intervalMs, options.signal);
    }
  }

  /** `null`: not known at the moment. */
  async #ask(type: InProcessJobType, id: string, signal?: AbortSignal): Promise<JobStatus | null> {
    try {
      return await this.status(type, id, signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof SynthError && (error.status >= 500 || error.status === 429)) return null;
      throw error;
    }
  }

  async #call(
    method: "GET" | "POST",
    path: string,
    signal: AbortSignal | undefined,
    send?: { readonly body: string; readonly headers: Record<string, string> },
  ): Promise<{ [key: string]: Json }> {
    const { base, apiKey, clock, fetch } = this.#options;
    const request = new Request(base + path, {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        "x-api-key": apiKey,
        accept: "application/json",
        ...(send === undefined ? {} : { "content-type": "application/json", ...send.headers }),
      },
      ...(send === undefined ? {} : { body: send.body }),
    });
    const response = await fetchWithPolicy(request, {
      clock,
      deadlineMs: REQUEST_MS,
      retries: method === "GET" ? 2 : 0,
      ...(fetch === undefined ? {} : { fetch }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = decodeUtf8(await readBodyLimited(response.body, MAX_BODY));
    if (!response.ok) throw refused(method, path, response.status, text);
    const value = parseJsonLimited(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
    throw refused(method, path, 502, "its answer is no object");
  }
}

function statusOf(jobId: string, payload: { [key: string]: Json }): JobStatus {
  const text = payload["status"] ?? payload["state"];
  const status = typeof text === "string" ? text.toLowerCase() : "unknown";
  return { jobId, status, done: TERMINAL.has(status), payload };
}

function refused(method: string, path: string, status: number, text: string): SynthError {
  const said = redactText(text).replace(/\s+/g, " ").slice(0, 300);
  return new SynthError(`The backend answered ${status} to ${method} ${path}: ${said}`, {
    code: "backend_error",
    status,
    ...(status === 401 || status === 403 ? { hint: "Check SYNTH_API_KEY" } : {}),
  });
}

function timeout(id: string, ms: number): SynthError {
  return new SynthError(`The job ${id} was not done after ${ms} ms`, {
    code: "job_timeout",
    status: 504,
    exitCode: 75,
    hint: "It may still run at the backend, without its task app",
    details: { job_id: id },
  });
}

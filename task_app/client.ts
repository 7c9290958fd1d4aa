/**
 * The client of a task app.
 *
 * ```ts
 * import { TaskAppClient } from "@synth/task-app";
 *
 * const client = new TaskAppClient({ baseUrl: "http://127.0.0.1:8114", apiKey: "dev" });
 * const [instance] = await client.taskInfo([7]);
 * ```
 *
 * @module
 */
import * as z from "zod";
import { type Clock, type FetchOutcome, fetchWithPolicy, type Json, SynthError } from "@synth/core";
import { parseAnswer, readAnswer } from "./client_answer.ts";
import type { FreeObject } from "./contract/free_object.ts";
import type { RolloutRequestInput } from "./contract/rollout_request.ts";
import { type RolloutResponse, RolloutResponseSchema } from "./contract/rollout_response.ts";
import {
  type TaskAppInfo,
  TaskAppInfoSchema,
  type TaskInfo,
  TaskInfoSchema,
} from "./contract/task_info.ts";
import { validateTaskAppUrl } from "./urls.ts";

/** How a {@linkcode TaskAppClient} is made. */
export interface TaskAppClientOptions {
  baseUrl: string;
  /** The task app's `ENVIRONMENT_API_KEY`. @default {none is sent} */
  apiKey?: string | undefined;
  /** Further keys, sent with the first in `X-API-Keys`. */
  apiKeyAliases?: readonly string[] | undefined;
  /** For an app behind Cloudflare Access: `CF-Access-Client-Id` and `-Secret`. */
  access?: { clientId: string; clientSecret: string } | undefined;
  /** Milliseconds for a call with all its retries. @default {600_000} */
  timeoutMs?: number;
  /** How often a call is tried again at most. @default {3} */
  retries?: number;
  /**
   * Also tries a rollout again of which it is not known whether it ran. For task apps that run a `run_id` once only.
   *
   * @default {false}
   */
  retryRollouts?: boolean;
  /** Bytes of an answer. @default {67_108_864} */
  maxBytes?: number;
  fetch?: typeof globalThis.fetch;
  clock?: Clock;
  /** From [0, 1), for the waits between tries. */
  random?: () => number;
}

/** What can be said about one call. */
export interface TaskAppCallOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds, in place of the client's. */
  timeoutMs?: number | undefined;
}

/** Environments of the first version of the contract, which a task app may still serve by a router. */
export interface TaskAppEnvironments {
  initialize(name: string, payload: FreeObject, options?: TaskAppCallOptions): Promise<Json>;
  step(name: string, payload: FreeObject, options?: TaskAppCallOptions): Promise<Json>;
  terminate(name: string, payload: FreeObject, options?: TaskAppCallOptions): Promise<Json>;
}

type RetryOn = (outcome: FetchOutcome) => boolean;

const HEADER_VALUE = /^[\x21-\x7e]{1,4096}$/;
const tasksetSchema = z.looseObject({ taskset: z.looseObject({}) });
const objectSchema = z.looseObject({});

/**
 * Calls a task app. Redirects are not followed: they could carry the key elsewhere.
 *
 * Reads are tried again on network errors, 408, 429 and 5xx. A rollout costs money, so it is sent again only when it certainly did not run: the
 * connection was never made, or the task app says so (`x-should-retry: true` on a 429 or 503); `retryRollouts` widens that.
 */
export class TaskAppClient {
  /** Without a slash at its end. */
  readonly baseUrl: string;
  /** `POST /env/{name}/initialize`, `/step`, `/terminate`; never sent twice. */
  readonly env: TaskAppEnvironments = {
    initialize: (name, payload, options) => this.#environment(name, "initialize", payload, options),
    step: (name, payload, options) => this.#environment(name, "step", payload, options),
    terminate: (name, payload, options) => this.#environment(name, "terminate", payload, options),
  };
  readonly #options: TaskAppClientOptions;
  readonly #headers: Headers;

  /** @throws {SynthError} 400 `invalid_task_app_url`, `invalid_credentials` */
  constructor(options: TaskAppClientOptions) {
    this.baseUrl = validateTaskAppUrl(options.baseUrl);
    this.#options = options;
    this.#headers = credentialHeaders(options);
  }

  /** `GET /health`. */
  async health(options: TaskAppCallOptions = {}): Promise<FreeObject> {
    return parseAnswer(objectSchema, await this.#get("/health", options));
  }

  /** `GET /info`. */
  async info(options: TaskAppCallOptions = {}): Promise<TaskAppInfo> {
    return parseAnswer(TaskAppInfoSchema, await this.#get("/info", options));
  }

  /** `GET /task_info` without a seed: the task set. */
  async taskset(options: TaskAppCallOptions = {}): Promise<FreeObject> {
    return parseAnswer(tasksetSchema, await this.#get("/task_info", options)).taskset;
  }

  /** `GET /task_info`: one instance for each seed, always as a list. No seed: an empty list, without a call. */
  async taskInfo(
    seeds: readonly number[],
    options: TaskAppCallOptions = {},
  ): Promise<TaskInfo[]> {
    if (seeds.length === 0) return [];
    const query = seeds.map((seed) => `seed=${encodeURIComponent(seed)}`).join("&");
    const answer = await this.#get(`/task_info?${query}`, options);
    return parseAnswer(z.array(TaskInfoSchema), Array.isArray(answer) ? answer : [answer]);
  }

  /** `POST /rollout`. The answer is checked against the schema; `validateRolloutResponseForRl` knows the RL rules. */
  async rollout(
    request: RolloutRequestInput,
    options: TaskAppCallOptions = {},
  ): Promise<RolloutResponse> {
    const certain = this.#options.retryRollouts === true ? readsRetry : neverRan;
    const answer = await this.#send("POST", "/rollout", request, certain, options);
    return parseAnswer(RolloutResponseSchema, answer);
  }

  /** `POST /done`. */
  async done(options: TaskAppCallOptions = {}): Promise<FreeObject> {
    return parseAnswer(objectSchema, await this.#send("POST", "/done", {}, neverRan, options));
  }

  async #get(path: string, options: TaskAppCallOptions): Promise<Json> {
    return await this.#send("GET", path, undefined, readsRetry, options);
  }

  #environment(
    name: string,
    verb: string,
    payload: FreeObject,
    options: TaskAppCallOptions = {},
  ): Promise<Json> {
    const path = `/env/${encodeURIComponent(name)}/${verb}`;
    return this.#send("POST", path, payload, neverRan, options);
  }

  async #send(
    method: string,
    path: string,
    body: unknown,
    retryOn: RetryOn,
    call: TaskAppCallOptions,
  ): Promise<Json> {
    const { fetch, clock, random, maxBytes = 64 * 1024 * 1024 } = this.#options;
    const headers = new Headers(this.#headers);
    if (body !== undefined) headers.set("content-type", "application/json");
    const request = new Request(this.baseUrl + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const response = await fetchWithPolicy(request, {
      retryOn,
      retries: this.#options.retries ?? 3,
      deadlineMs: call.timeoutMs ?? this.#options.timeoutMs ?? 600_000,
      ...(call.signal === undefined ? {} : { signal: call.signal }),
      ...(fetch === undefined ? {} : { fetch }),
      ...(clock === undefined ? {} : { clock }),
      ...(random === undefined ? {} : { random }),
    });
    return await readAnswer(response, maxBytes);
  }
}

/** The headers that carry a task app's keys. @throws {SynthError} 400 `invalid_credentials` */
export function credentialHeaders(
  options: Pick<TaskAppClientOptions, "apiKey" | "apiKeyAliases" | "access">,
): Headers {
  const headers = new Headers({ accept: "application/json" });
  const { apiKey, apiKeyAliases = [], access } = options;
  if (apiKey) {
    headers.set("x-api-key", headerValue(apiKey, "apiKey"));
    headers.set("authorization", `Bearer ${headerValue(apiKey, "apiKey")}`);
  }
  const all = [apiKey ?? "", ...apiKeyAliases].filter((key) => key !== "");
  if (apiKeyAliases.length > 0) {
    headers.set("x-api-keys", all.map((key) => headerValue(key, "apiKeyAliases")).join(","));
  }
  if (access !== undefined) {
    headers.set("cf-access-client-id", headerValue(access.clientId, "access"));
    headers.set("cf-access-client-secret", headerValue(access.clientSecret, "access"));
  }
  return headers;
}

/** A key that has a line end in it would otherwise be quoted by an error of the runtime. */
function headerValue(value: string, param: string): string {
  if (HEADER_VALUE.test(value)) return value;
  throw new SynthError("A key for the task app must be visible ASCII without blanks", {
    code: "invalid_credentials",
    status: 400,
    param,
    exitCode: 2,
  });
}

function readsRetry({ response }: FetchOutcome): boolean {
  return response === undefined || response.status === 408 || response.status === 429 ||
    response.status >= 500;
}

/** Whether what was sent certainly did not run. */
function neverRan({ response, error }: FetchOutcome): boolean {
  if (response === undefined) return wasNeverConnected(error);
  return (response.status === 429 || response.status === 503) &&
    response.headers.get("x-should-retry") === "true";
}

/** By the words of Deno, Node and Workers: none of them has a code that the others know. */
function wasNeverConnected(error: unknown): boolean {
  let at: unknown = error;
  let words = "";
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    words += `${at.message}\n`;
    at = at.cause;
  }
  return /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|connection refused|dns error/i.test(words);
}

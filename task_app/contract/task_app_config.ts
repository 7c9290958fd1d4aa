/** What a task app is made of. @module */
import type { Hono, MiddlewareHandler } from "hono";
import type { Clock, Logger } from "@synth/core";
import type { DatasetRegistry } from "../datasets/dataset_registry.ts";
import type { RubricBundle } from "../rubrics/rubric.ts";
import type { FreeObject } from "./free_object.ts";
import type { RolloutRequest } from "./rollout_request.ts";
import type { RolloutResponseInput } from "./rollout_response.ts";
import type { TaskInfoInput } from "./task_info.ts";

/** What a rollout is given beside its request. */
export interface RolloutContext {
  /** The HTTP request; its body has been read. */
  readonly request: Request;
  /** Aborted at the deadline, when too many operations were counted, when the client goes, when the app stops. Pass it on to `fetch`. */
  readonly signal: AbortSignal;
  /** Also the answer's `x-request-id`. */
  readonly requestId: string;
  /** The id that ties this rollout to the traces of its model calls. */
  readonly traceCorrelationId: string | null;
  /** Seconds that this rollout may take: the least of what the request and the app allow. */
  readonly maxTimeS: number;
  /** The configuration's `appState`. */
  readonly appState: FreeObject;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Counts operations against `safety.max_ops`: call it before each.
   *
   * @param count @default {1}
   * @returns how many there are now
   * @throws {SynthError} 422 `rollout_max_ops_exceeded`; the signal is aborted then, and the client told
   */
  countOp(count?: number): number;
}

/** Calls that reach a vendor through the task app, with the task app's own key. */
export interface ProxyConfig {
  /** `POST /proxy/v1/chat/completions`, with `OPENAI_API_KEY`. @default {false} */
  enableOpenai?: boolean;
  /** `POST /proxy/groq/v1/chat/completions`, with `GROQ_API_KEY`. @default {false} */
  enableGroq?: boolean;
  /** Appended to the first system message, or sent as one. */
  systemHint?: string | null | undefined;
  /** @default {"https://api.openai.com/v1/chat/completions"} */
  openaiUrl?: string;
  /** @default {"https://api.groq.com/openai/v1/chat/completions"} */
  groqUrl?: string;
  /** Seconds until a vendor must have answered. @default {600} */
  timeoutS?: number;
}

/** Bounds on what a client can ask of a task app. */
export interface TaskAppLimits {
  /** Rollouts at the same time; one more is a 429. @default {64} */
  maxConcurrentRollouts?: number;
  /** Bytes of a body. @default {10_485_760} */
  maxBodyBytes?: number;
  /** Seconds until a body must have come. @default {60} */
  bodyTimeoutS?: number;
  /** How deep JSON may nest. @default {64} */
  maxJsonDepth?: number;
  /** Seeds of one `GET /task_info`. @default {1_000} */
  maxSeeds?: number;
  /** Seconds of a rollout, whatever its request says; at most 604_800. @default {86_400} */
  maxRolloutS?: number;
}

/** A Hono app with more routes. */
export interface TaskAppRouter {
  readonly app: Hono;
  /** Where it is mounted. @default {"/"} */
  readonly path?: string;
  /** Whether its routes want a key, as the contract's do. @default {true} */
  readonly auth?: boolean;
}

/** Runs when a task app starts or stops. */
export type TaskAppHook = (app: Hono) => void | Promise<void>;

/** What `provideTaskInstances` may give. */
export type TaskInstances = Iterable<TaskInfoInput> | AsyncIterable<TaskInfoInput>;

/**
 * A task app. The original's spellings (`base_task_info`, `describe_taskset`, ...) are accepted too: see {@linkcode TaskAppConfigInput}.
 */
export interface TaskAppConfig {
  appId: string;
  name: string;
  description: string;
  /** What `GET /info` shows. */
  baseTaskInfo: TaskInfoInput;
  /** What `GET /task_info` shows without a seed. */
  describeTaskset(): FreeObject | Promise<FreeObject>;
  /** One instance for each seed, in their order. */
  provideTaskInstances(seeds: readonly number[]): TaskInstances | Promise<TaskInstances>;
  /** One rollout. What it returns is checked before it goes out. */
  rollout(
    request: RolloutRequest,
    context: RolloutContext,
  ): RolloutResponseInput | Promise<RolloutResponseInput>;
  datasetRegistry?: DatasetRegistry | undefined;
  rubrics?: RubricBundle | undefined;
  proxy?: ProxyConfig | undefined;
  routers?: readonly (Hono | TaskAppRouter)[];
  /** Around every request, after the request id is made and before the key is checked. */
  middleware?: readonly MiddlewareHandler[];
  /** The application's own things; conventional: `session_tracer_factory`, `sft_output_dir`. */
  appState?: FreeObject;
  /** @default {true} */
  requireApiKey?: boolean;
  /** Answers 400 in place of 401 to a wrong key, as the original did. @default {false} */
  legacyAuthStatus?: boolean;
  /** `GET /debug/env`: whether keys are there, never a part of one. @default {false} */
  exposeDebugEnv?: boolean;
  /** Origins of web pages that may call; `["*"]` for all, without credentials. @default {none} */
  corsOrigins?: readonly string[] | null | undefined;
  /** Has every answer checked by the RL rules, not only those of `mode: "rl"`. @default {false} */
  strict?: boolean;
  limits?: TaskAppLimits;
  startupHooks?: readonly TaskAppHook[];
  shutdownHooks?: readonly TaskAppHook[];
}

/** {@linkcode TaskAppConfig} in the original's spelling. */
export interface SnakeTaskAppConfig {
  app_id: string;
  name: string;
  description: string;
  base_task_info: TaskInfoInput;
  describe_taskset: TaskAppConfig["describeTaskset"];
  provide_task_instances: TaskAppConfig["provideTaskInstances"];
  rollout: TaskAppConfig["rollout"];
  dataset_registry?: DatasetRegistry | null | undefined;
  rubrics?: RubricBundle | null | undefined;
  proxy?: ProxyConfig | SnakeProxyConfig | null | undefined;
  routers?: TaskAppConfig["routers"];
  middleware?: TaskAppConfig["middleware"];
  app_state?: FreeObject;
  require_api_key?: boolean;
  legacy_auth_status?: boolean;
  expose_debug_env?: boolean;
  cors_origins?: readonly string[] | null | undefined;
  strict?: boolean;
  limits?: TaskAppLimits;
  startup_hooks?: readonly TaskAppHook[];
  shutdown_hooks?: readonly TaskAppHook[];
}

/** {@linkcode ProxyConfig} in the original's spelling. */
export interface SnakeProxyConfig {
  enable_openai?: boolean;
  enable_groq?: boolean;
  system_hint?: string | null | undefined;
  openai_url?: string;
  groq_url?: string;
  timeout_s?: number;
}

/** A configuration in either spelling. */
export type TaskAppConfigInput = TaskAppConfig | SnakeTaskAppConfig;

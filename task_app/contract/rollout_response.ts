/** The answer of `POST /rollout`. @module */
import * as z from "zod";
import { contractIssues, issuesJson } from "./contract_issue.ts";
import { type FreeObject, OptionalFreeObjectSchema } from "./free_object.ts";
import { SynthError } from "@synth/core";

/** One turn of a rollout. */
export interface RolloutStep {
  obs: FreeObject;
  tool_calls: FreeObject[];
  reward?: number | null | undefined;
  done: boolean;
  truncated?: boolean | null | undefined;
  /** In RL mode `info.meta.inference_url` is needed. */
  info?: FreeObject | null | undefined;
  output?: string | FreeObject | null | undefined;
  output_mode?: string | null | undefined;
  [key: string]: unknown;
}

/** One way through the environment. */
export interface RolloutTrajectory {
  env_id: string;
  policy_id: string;
  steps: RolloutStep[];
  final?: FreeObject | null | undefined;
  length: number;
  /** Where the model was called. */
  inference_url: string;
  trace?: FreeObject | null | undefined;
  decision_samples?: unknown[] | null | undefined;
  [key: string]: unknown;
}

/**
 * What a rollout was worth. `reward_mean`, `outcome_reward` and `outcome_objectives` are the later names of `mean_return` and
 * `outcome_score`: whichever of them a task app gives, the others are derived.
 */
export interface RolloutMetrics {
  episode_returns: number[];
  mean_return: number;
  num_steps: number;
  num_episodes: number;
  outcome_score?: number | null | undefined;
  events_score?: number | null | undefined;
  details: FreeObject;
  reward_mean: number;
  outcome_reward: number;
  outcome_objectives?: FreeObject | null | undefined;
  [key: string]: unknown;
}

/** A parsed answer: defaults are filled in, members that are not listed are kept. */
export interface RolloutResponse {
  /** `trace_correlation_id` when the answer has no `run_id`. */
  run_id: string;
  trajectories: RolloutTrajectory[];
  branches: { [id: string]: string[] };
  metrics: RolloutMetrics;
  aborted: boolean;
  ops_executed: number;
  trace_correlation_id?: string | null | undefined;
  /** A session trace; preferred to the trajectories by later versions. */
  trace?: FreeObject | null | undefined;
  /** In RL mode `inference_url` is needed. */
  pipeline_metadata: FreeObject;
  [key: string]: unknown;
}

/** {@linkcode RolloutStep} as it is written. */
export type RolloutStepInput = Nullable<RolloutStep>;

/** {@linkcode RolloutTrajectory} as it is written. */
export interface RolloutTrajectoryInput {
  env_id: string;
  policy_id: string;
  steps: RolloutStepInput[];
  final?: FreeObject | null | undefined;
  length: number;
  inference_url: string;
  trace?: FreeObject | null | undefined;
  decision_samples?: unknown[] | null | undefined;
  [key: string]: unknown;
}

/** {@linkcode RolloutMetrics} as they are written: `mean_return`, `reward_mean` or `outcome_reward` is needed. */
export type RolloutMetricsInput = Nullable<RolloutMetrics>;

/** An answer as a task app writes it. The server fills in `run_id` and `trace_correlation_id` from the request. */
export interface RolloutResponseInput {
  run_id?: string | null | undefined;
  trajectories?: RolloutTrajectoryInput[] | null | undefined;
  branches?: { [id: string]: string[] } | null | undefined;
  metrics: RolloutMetricsInput;
  aborted?: boolean | null | undefined;
  ops_executed?: number | null | undefined;
  trace_correlation_id?: string | null | undefined;
  trace?: FreeObject | null | undefined;
  pipeline_metadata?: FreeObject | null | undefined;
  [key: string]: unknown;
}

type Nullable<T> = { [K in keyof T]?: T[K] | null | undefined };

const text = z.string().nullish();
const id = z.string().min(1).nullish();
const number = z.number().nullish();
const object = z.looseObject({}).nullish();
const count = z.int().min(0);
const no = z.boolean().nullish().transform((value) => value ?? false);
const zero = count.nullish().transform((value) => value ?? 0);

const step = z.looseObject({
  obs: OptionalFreeObjectSchema,
  tool_calls: z.array(z.looseObject({})).nullish().transform((value) => value ?? []),
  reward: number,
  done: no,
  truncated: z.boolean().nullish(),
  info: object,
  output: z.union([z.string(), z.looseObject({})]).nullish(),
  output_mode: text,
});
const trajectory = z.looseObject({
  env_id: z.string(),
  policy_id: z.string(),
  steps: z.array(step),
  final: object,
  length: count,
  inference_url: z.string(),
  trace: object,
  decision_samples: z.array(z.unknown()).nullish(),
});

/** See {@linkcode RolloutMetrics}. */
export const RolloutMetricsSchema: z.ZodType<RolloutMetrics, RolloutMetricsInput> = z.looseObject({
  episode_returns: z.array(z.number()).nullish(),
  mean_return: number,
  num_steps: count.nullish(),
  num_episodes: zero,
  outcome_score: number,
  events_score: number,
  details: OptionalFreeObjectSchema,
  reward_mean: number,
  outcome_reward: number,
  outcome_objectives: object,
}).transform((value, context) => {
  const reward = value.outcome_objectives?.["reward"];
  const mean = value.mean_return ?? value.reward_mean ?? value.outcome_reward ??
    (typeof reward === "number" && Number.isFinite(reward) ? reward : undefined);
  // Either all that the first version wants, or one of the later names.
  const later = value.reward_mean ?? value.outcome_reward ?? value.outcome_objectives;
  if (mean === undefined) addMissing(context, "mean_return");
  if (later === null || later === undefined) {
    if (!value.episode_returns) addMissing(context, "episode_returns");
    if (typeof value.num_steps !== "number") addMissing(context, "num_steps");
  }
  if (mean === undefined || context.issues.length > 0) return z.NEVER;
  return {
    ...value,
    episode_returns: value.episode_returns ?? [mean],
    mean_return: mean,
    num_steps: value.num_steps ?? 0,
    reward_mean: value.reward_mean ?? mean,
    outcome_reward: value.outcome_reward ?? value.outcome_score ?? mean,
  };
});

/** See {@linkcode RolloutResponse}. */
export const RolloutResponseSchema: z.ZodType<RolloutResponse, RolloutResponseInput> = z
  .looseObject({
    run_id: id,
    trajectories: z.array(trajectory).nullish().transform((value) => value ?? []),
    branches: z.record(z.string(), z.array(z.string())).nullish()
      .transform((value) => value ?? {}),
    metrics: RolloutMetricsSchema,
    aborted: no,
    ops_executed: zero,
    trace_correlation_id: id,
    trace: object,
    pipeline_metadata: OptionalFreeObjectSchema,
  }).transform((value, context) => {
    const runId = value.run_id ?? value.trace_correlation_id;
    if (runId === null || runId === undefined) {
      addMissing(context, "run_id");
      return z.NEVER;
    }
    return { ...value, run_id: runId };
  });

/**
 * Checks the answer of a rollout against the schema (the RL rules are another thing: `validateRolloutResponseForRl`).
 *
 * @throws {SynthError} 500 `invalid_rollout_response`, with all `issues`
 */
export function parseRolloutResponse(answer: unknown): RolloutResponse {
  const result = RolloutResponseSchema.safeParse(answer);
  if (result.success) return result.data;
  const issues = contractIssues(result.error);
  throw new SynthError("The answer of the rollout is not valid", {
    code: "invalid_rollout_response",
    status: 500,
    hint: "The task app must be mended: `issues` lists what is wrong",
    details: { issues: issuesJson(issues) },
  });
}

function addMissing(context: z.RefinementCtx, name: string): void {
  context.addIssue({ code: "custom", path: [name], message: `${name} is required` });
}

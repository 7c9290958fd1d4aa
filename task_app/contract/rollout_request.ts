/** The body of `POST /rollout`. @module */
import * as z from "zod";
import { SynthError } from "@synth/core";
import { contractIssues, issuesJson } from "./contract_issue.ts";
import { type FreeObject, OptionalFreeObjectSchema } from "./free_object.ts";

/** Who asks: `rl` (URLs carry a correlation id, the answer is checked by the RL rules) or `eval` (URLs are used as they are). */
export type RolloutMode = "rl" | "eval";

/** Which environment, from which seed. */
export interface RolloutEnvSpec {
  env_id?: string | null | undefined;
  env_name?: string | null | undefined;
  config: FreeObject;
  seed?: number | null | undefined;
  [key: string]: unknown;
}

/** The shape of a structured output. */
export interface StructuredOutputConfig {
  /** A JSON schema. */
  schema: FreeObject;
  /** @default {"response"} */
  schema_name?: string | null | undefined;
  /** @default {true} */
  strict?: boolean | null | undefined;
  [key: string]: unknown;
}

/** How the model answers in a rollout. */
export type OutputMode = "tool_calls" | "text" | "structured";

/** Which policy. Common members of `config`: `model`, `inference_url`, `temperature`, `max_tokens`, `max_llm_calls`, `reasoning_effort`, `system_hint`, `tool_choice`. */
export interface RolloutPolicySpec {
  policy_id?: string | null | undefined;
  policy_name?: string | null | undefined;
  config: FreeObject;
  /** @default {"tool_calls"} */
  output_mode: OutputMode;
  structured_config?: StructuredOutputConfig | null | undefined;
  [key: string]: unknown;
}

/** What the answer should carry. */
export interface RolloutRecordConfig {
  /** @default {true} */
  trajectories: boolean;
  logprobs: boolean;
  value: boolean;
  return_trace: boolean;
  /** @default {"compact"} */
  trace_format: "compact" | "full" | "structured";
  [key: string]: unknown;
}

/** Limits that the server enforces. */
export interface RolloutSafetyConfig {
  /** Operations that the rollout may count. @default {100_000} */
  max_ops: number;
  /** Seconds until the answer goes out, whatever the rollout does. @default {3600} */
  max_time_s: number;
  [key: string]: unknown;
}

/** An operation: a word such as `agent` or `env`, or an object of the application's own. */
export type RolloutOp = string | FreeObject;

/** A parsed request: defaults are filled in, members that are not listed are kept. */
export interface RolloutRequest {
  /** `trace_correlation_id` when the request has no `run_id`. */
  run_id: string;
  trace_correlation_id?: string | null | undefined;
  env: RolloutEnvSpec;
  policy: RolloutPolicySpec;
  /** Empty when the request has none, as later versions of the contract do. */
  ops: RolloutOp[];
  record: RolloutRecordConfig;
  /** @default {"reset"} */
  on_done: string;
  safety: RolloutSafetyConfig;
  training_session_id?: string | null | undefined;
  synth_base_url?: string | null | undefined;
  mode: RolloutMode;
  /** Has the answer checked by the RL rules in `eval` mode too. */
  strict?: boolean | null | undefined;
  [key: string]: unknown;
}

/** A request as it is written. */
export interface RolloutRequestInput {
  /** This or `trace_correlation_id` is needed. */
  run_id?: string | null | undefined;
  trace_correlation_id?: string | null | undefined;
  env: Loose<Partial<RolloutEnvSpec>>;
  policy: Loose<Partial<RolloutPolicySpec>>;
  ops?: RolloutOp[] | null | undefined;
  record?: Loose<Partial<RolloutRecordConfig>> | null | undefined;
  on_done?: string | null | undefined;
  safety?: Loose<Partial<RolloutSafetyConfig>> | null | undefined;
  training_session_id?: string | null | undefined;
  synth_base_url?: string | null | undefined;
  mode: RolloutMode;
  strict?: boolean | null | undefined;
  [key: string]: unknown;
}

/** Members may also be absent or null, and others may be there. */
export type Loose<T> = { [K in keyof T]?: T[K] | null | undefined } & FreeObject;

const text = z.string().nullish();
const id = z.string().min(1).nullish();

const env = z.looseObject({
  env_id: text,
  env_name: text,
  config: OptionalFreeObjectSchema,
  seed: z.int().nullish(),
});
const structured = z.looseObject({
  schema: z.looseObject({}),
  schema_name: z.string().nullish().transform((value) => value ?? "response"),
  strict: flag(true),
});
const policy = z.looseObject({
  policy_id: text,
  policy_name: text,
  config: OptionalFreeObjectSchema,
  output_mode: z.enum(["tool_calls", "text", "structured"]).nullish()
    .transform((value) => value ?? "tool_calls"),
  structured_config: structured.nullish(),
});
const record = z.looseObject({
  trajectories: flag(true),
  logprobs: flag(false),
  value: flag(false),
  return_trace: flag(false),
  trace_format: z.enum(["compact", "full", "structured"]).nullish()
    .transform((value) => value ?? "compact"),
});
const safety = z.looseObject({
  max_ops: z.int().min(0).nullish().transform((value) => value ?? 100_000),
  max_time_s: z.number().min(0).nullish().transform((value) => value ?? 3600),
});

/** One issue for the first that is wrong: a list of a hundred thousand wrong ones must not cost a second. */
const ops = z.array(z.custom<RolloutOp>()).transform((value, context) => {
  if (value.every(isOp)) return value;
  context.addIssue({
    code: "custom",
    path: [value.findIndex((op) => !isOp(op))],
    message: "An operation is a string or an object",
  });
  return z.NEVER;
});

/** See {@linkcode RolloutRequest}. */
export const RolloutRequestSchema: z.ZodType<RolloutRequest, RolloutRequestInput> = z.looseObject({
  run_id: id,
  trace_correlation_id: id,
  env,
  policy,
  ops: ops.nullish().transform((value) => value ?? []),
  record: record.nullish().transform((value) => value ?? record.parse({})),
  on_done: z.string().nullish().transform((value) => value ?? "reset"),
  safety: safety.nullish().transform((value) => value ?? safety.parse({})),
  training_session_id: text,
  synth_base_url: text,
  mode: z.enum(["rl", "eval"]),
  strict: z.boolean().nullish(),
}).transform((value, context) => {
  const runId = value.run_id ?? value.trace_correlation_id;
  if (runId === null || runId === undefined) {
    context.addIssue({
      code: "custom",
      path: ["run_id"],
      message: "run_id or trace_correlation_id is required",
    });
    return z.NEVER;
  }
  return { ...value, run_id: runId };
});

/**
 * Checks the body of a rollout.
 *
 * @throws {SynthError} 422 `invalid_rollout_request`, with all `issues`
 */
export function parseRolloutRequest(body: unknown): RolloutRequest {
  const result = RolloutRequestSchema.safeParse(body);
  if (result.success) return result.data;
  const issues = contractIssues(result.error);
  const [first] = issues;
  throw new SynthError(
    first === undefined || first.path === ""
      ? "The body is not a rollout request"
      : `The rollout request is not valid at ${first.path}: ${first.message}`,
    {
      code: "invalid_rollout_request",
      status: 422,
      ...(first === undefined || first.path === "" ? {} : { param: first.path }),
      details: { issues: issuesJson(issues) },
    },
  );
}

function isOp(value: unknown): boolean {
  return typeof value === "string" ||
    (typeof value === "object" && value !== null && !Array.isArray(value));
}

function flag(byDefault: boolean): z.ZodType<boolean, boolean | null | undefined> {
  return z.boolean().nullish().transform((value) => value ?? byDefault);
}

/** What a task app says about its task, and about the instance of one seed (`GET /task_info`). @module */
import * as z from "zod";
import { type FreeObject, OptionalFreeObjectSchema } from "./free_object.ts";

/** Names the task. */
export interface TaskDescriptor {
  id: string;
  name: string;
  description?: string | null | undefined;
  version?: string | null | undefined;
  [key: string]: unknown;
}

/** Names the data set behind the seeds. */
export interface DatasetInfo {
  id?: string | null | undefined;
  name?: string | null | undefined;
  version?: string | null | undefined;
  splits?: string[] | null | undefined;
  default_split?: string | null | undefined;
  description?: string | null | undefined;
  [key: string]: unknown;
}

/** One thing that is judged. */
export interface RubricCriterionInfo {
  id: string;
  description: string;
  weight?: number | null | undefined;
  [key: string]: unknown;
}

/** A rubric as a task shows it. */
export interface RubricSection {
  name: string;
  criteria: RubricCriterionInfo[];
  [key: string]: unknown;
}

/** How rollouts are judged: their outcome, and their events. */
export interface RubricInfo {
  outcome?: RubricSection | null | undefined;
  events?: RubricSection | null | undefined;
  [key: string]: unknown;
}

/** What a rollout calls unless the request says otherwise. */
export interface InferenceInfo {
  model?: string | null | undefined;
  inference_url?: string | null | undefined;
  [key: string]: unknown;
}

/** Limits that a rollout keeps to. */
export interface LimitsInfo {
  max_turns?: number | null | undefined;
  max_response_tokens?: number | null | undefined;
  timeout_seconds?: number | null | undefined;
  [key: string]: unknown;
}

/** A task, or its instance for one seed. Members that are not listed are kept. */
export interface TaskInfo {
  task: TaskDescriptor;
  /** The name of the environment. */
  environment: string;
  dataset: DatasetInfo;
  rubric: RubricInfo;
  inference: InferenceInfo;
  limits: LimitsInfo;
  task_metadata: FreeObject;
  [key: string]: unknown;
}

/** {@linkcode TaskInfo} as it is written: only `task` and `environment` are needed. */
export interface TaskInfoInput {
  task: TaskDescriptor;
  environment: string;
  dataset?: DatasetInfo | null | undefined;
  rubric?: RubricInfo | null | undefined;
  inference?: InferenceInfo | null | undefined;
  limits?: LimitsInfo | null | undefined;
  task_metadata?: FreeObject | null | undefined;
  [key: string]: unknown;
}

const text = z.string().nullish();
const dataset = z.looseObject({
  id: text,
  name: text,
  version: text,
  splits: z.array(z.string()).nullish(),
  default_split: text,
  description: text,
});
const section = z.looseObject({
  name: z.string(),
  criteria: z.array(z.looseObject({
    id: z.string(),
    description: z.string(),
    weight: z.number().nullish(),
  })),
});
const rubric = z.looseObject({ outcome: section.nullish(), events: section.nullish() });
const inference = z.looseObject({ model: text, inference_url: text });
const limits = z.looseObject({
  max_turns: z.number().nullish(),
  max_response_tokens: z.number().nullish(),
  timeout_seconds: z.number().nullish(),
});

/** See {@linkcode TaskDescriptor}. */
export const TaskDescriptorSchema: z.ZodType<TaskDescriptor, TaskDescriptor> = z.looseObject({
  id: z.string(),
  name: z.string(),
  description: text,
  version: text,
});

/** See {@linkcode TaskInfo}. */
export const TaskInfoSchema: z.ZodType<TaskInfo, TaskInfoInput> = z.looseObject({
  task: TaskDescriptorSchema,
  environment: z.string(),
  dataset: dataset.nullish().transform((value): DatasetInfo => value ?? {}),
  rubric: rubric.nullish().transform((value): RubricInfo => value ?? {}),
  inference: inference.nullish().transform((value): InferenceInfo => value ?? {}),
  limits: limits.nullish().transform((value): LimitsInfo => value ?? {}),
  task_metadata: OptionalFreeObjectSchema,
});

/** What `GET /task_info` answers: the task set without a seed, one object for one seed, a list for many. */
export type TaskInfoAnswer = { taskset: FreeObject } | TaskInfo | TaskInfo[];

/** What `GET /info` answers. */
export interface TaskAppInfo {
  service: { task: TaskDescriptor; version?: string | null | undefined; [key: string]: unknown };
  dataset: FreeObject;
  rubrics: FreeObject | null;
  inference: FreeObject;
  limits: FreeObject;
  [key: string]: unknown;
}

/** See {@linkcode TaskAppInfo}. */
export const TaskAppInfoSchema: z.ZodType<TaskAppInfo> = z.looseObject({
  service: z.looseObject({ task: TaskDescriptorSchema, version: text }),
  dataset: OptionalFreeObjectSchema,
  rubrics: z.looseObject({}).nullish().transform((value): FreeObject | null => value ?? null),
  inference: OptionalFreeObjectSchema,
  limits: OptionalFreeObjectSchema,
});

import * as z from "zod";
import { SynthError } from "@synth/core";
import { contractIssues, issuesJson } from "../contract/contract_issue.ts";

/** How the scores of the criteria become one: `inherit` takes what the rubric below has (see `blendRubrics`). */
export type RubricAggregation = "sum" | "weighted_sum" | "custom" | "inherit";

/** One thing that is judged. */
export interface RubricCriterion {
  id: string;
  description: string;
  /** Above 0. @default {1} */
  weight: number;
  /** @default {false} */
  required: boolean;
  [key: string]: unknown;
}

/** What a rollout is judged by. */
export interface Rubric {
  version: string;
  goal_text?: string | null | undefined;
  criteria: RubricCriterion[];
  /** @default {"weighted_sum"} */
  aggregation: RubricAggregation;
  [key: string]: unknown;
}

/** {@linkcode Rubric} as it is written. */
export interface RubricInput {
  version: string;
  goal_text?: string | null | undefined;
  criteria?: readonly RubricCriterionInput[] | null | undefined;
  aggregation?: RubricAggregation | null | undefined;
  [key: string]: unknown;
}

/** {@linkcode RubricCriterion} as it is written. */
export interface RubricCriterionInput {
  id: string;
  description: string;
  weight?: number | null | undefined;
  required?: boolean | null | undefined;
  [key: string]: unknown;
}

/** The rubrics of a task app: for the outcome of a rollout, and for its events. */
export interface RubricBundle {
  outcome?: Rubric | null | undefined;
  events?: Rubric | null | undefined;
}

const criterion = z.looseObject({
  id: z.string().min(1),
  description: z.string(),
  weight: z.number().positive().nullish().transform((value) => value ?? 1),
  required: z.boolean().nullish().transform((value) => value ?? false),
});

const rubric = z.looseObject({
  version: z.string(),
  goal_text: z.string().nullish(),
  criteria: z.array(criterion).nullish().transform((value) => value ?? []),
  aggregation: z.enum(["sum", "weighted_sum", "custom", "inherit"]).nullish()
    .transform((value) => value ?? "weighted_sum"),
}).superRefine((value, context) => {
  const seen = new Set<string>();
  value.criteria.forEach(({ id }, index) => {
    if (seen.has(id)) {
      context.addIssue({
        code: "custom",
        path: ["criteria", index, "id"],
        message: "Another criterion has this id",
      });
    }
    seen.add(id);
  });
});

/** See {@linkcode Rubric}. */
export const RubricSchema: z.ZodType<Rubric> = rubric;

/**
 * Checks a rubric: ids of criteria are unique, weights are above 0, members that are not listed are kept.
 *
 * @throws {SynthError} 400 `invalid_rubric` with `issues`; `rubric_is_judge_config` for a configuration of the backend's judge, which has
 *   `event` and `outcome` where a rubric has criteria
 */
export function parseRubric(value: unknown): Rubric {
  refuseJudgeConfig(value);
  const result = rubric.safeParse(value);
  if (result.success) return result.data;
  throw invalidRubric(contractIssues(result.error));
}

const WEIGHT_TOLERANCE = 1e-6;

/**
 * Checks a rubric for production: besides the rules of {@linkcode parseRubric}, version and goal are not empty, there is at least one criterion,
 * weights are in (0, 1] and sum to 1 (within 1e-6), the aggregation is `weighted_sum`.
 *
 * @throws {SynthError} as {@linkcode parseRubric}
 */
export function parseStrictRubric(value: unknown): Rubric & { goal_text: string } {
  const parsed = parseRubric(value);
  const issues: { code: string; path: string; message: string }[] = [];
  const report = (path: string, message: string) => issues.push({ code: "strict", path, message });
  if (parsed.version.trim() === "") report("version", "The version must not be empty");
  if (!parsed.goal_text?.trim()) report("goal_text", "The goal must not be empty");
  if (parsed.aggregation !== "weighted_sum") report("aggregation", "Only weighted_sum is allowed");
  if (parsed.criteria.length === 0) report("criteria", "At least one criterion is needed");
  let sum = 0;
  parsed.criteria.forEach(({ weight, description }, index) => {
    sum += weight;
    if (weight > 1) report(`criteria[${index}].weight`, "A weight must be at most 1");
    if (description.trim() === "") {
      report(`criteria[${index}].description`, "The description must not be empty");
    }
  });
  if (parsed.criteria.length > 0 && !(Math.abs(sum - 1) <= WEIGHT_TOLERANCE)) {
    report("criteria", "The weights must sum to 1");
  }
  if (issues.length > 0) throw invalidRubric(issues);
  return { ...parsed, goal_text: parsed.goal_text ?? "" };
}

function refuseJudgeConfig(value: unknown): void {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return;
  const has = (name: string) => Object.hasOwn(value, name);
  if (!has("event") || !has("outcome")) return;
  if (has("version") || has("goal_text") || has("criteria")) return;
  throw new SynthError("This is a configuration of the backend's judge, not a rubric", {
    code: "rubric_is_judge_config",
    status: 400,
    hint:
      "A rubric has version, goal_text and criteria; give one for the outcome and one for events",
  });
}

function invalidRubric(issues: ReturnType<typeof contractIssues>): SynthError {
  const [first] = issues;
  const where = first === undefined
    ? ""
    : `${first.path === "" ? "" : ` at ${first.path}`}: ${first.message}`;
  return new SynthError(`The rubric is not valid${where}`, {
    code: "invalid_rubric",
    status: 400,
    details: { issues: issuesJson(issues) },
  });
}

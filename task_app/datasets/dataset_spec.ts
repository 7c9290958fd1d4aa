import * as z from "zod";
import { SynthError } from "@synth/core";
import { contractIssues, issuesJson } from "../contract/contract_issue.ts";

/** A data set that a task draws its instances from. Members that are not listed are kept. */
export interface TaskDatasetSpec {
  id: string;
  name: string;
  version?: string | null | undefined;
  splits: string[];
  /** One of `splits`, when there are any. */
  default_split?: string | null | undefined;
  /** How many instances there are. */
  cardinality?: number | null | undefined;
  description?: string | null | undefined;
  [key: string]: unknown;
}

/** {@linkcode TaskDatasetSpec} as it is written. */
export interface TaskDatasetSpecInput {
  id: string;
  name: string;
  version?: string | null | undefined;
  splits?: readonly string[] | null | undefined;
  default_split?: string | null | undefined;
  cardinality?: number | null | undefined;
  description?: string | null | undefined;
  [key: string]: unknown;
}

const schema = z.looseObject({
  id: z.string().min(1),
  name: z.string(),
  version: z.string().nullish(),
  splits: z.array(z.string()).nullish().transform((value) => value ?? []),
  default_split: z.string().nullish(),
  cardinality: z.int().positive().nullish(),
  description: z.string().nullish(),
}).superRefine(({ splits, default_split }, context) => {
  if (!default_split || splits.includes(default_split)) return;
  context.addIssue({
    code: "custom",
    path: ["default_split"],
    message: "The default split must be one of the splits",
  });
});

/**
 * Checks the description of a data set.
 *
 * @throws {SynthError} 400 `invalid_dataset_spec` with `issues`
 */
export function parseDatasetSpec(spec: unknown): TaskDatasetSpec {
  const result = schema.safeParse(spec);
  if (result.success) return result.data;
  const issues = contractIssues(result.error);
  const [first] = issues;
  throw new SynthError(
    `The data set's description is not valid at ${first?.path ?? ""}: ${first?.message ?? ""}`,
    { code: "invalid_dataset_spec", status: 400, details: { issues: issuesJson(issues) } },
  );
}

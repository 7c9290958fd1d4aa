import type * as z from "zod";
import type { Json } from "@synth/core";

/** One thing that is wrong with a body of the contract. */
export interface ContractIssue {
  /** Stable and snake_case: zod's code, `required`, or a code of the RL rules. */
  readonly code: string;
  /** Where: `trajectories[0].steps[2].info.meta.inference_url`; empty for the body itself. */
  readonly path: string;
  /** For people; no value from the body is in it. */
  readonly message: string;
}

/** More are of no help to anybody. */
const MAX_ISSUES = 100;
const MAX_KEY = 64;

/** A path as text. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = "";
  for (const key of path) {
    if (typeof key === "number") text += `[${key}]`;
    else text += (text === "" ? "" : ".") + String(key).slice(0, MAX_KEY);
  }
  return text;
}

/** What zod found, as at most 100 issues. Of a union, the branch that came furthest speaks. */
export function contractIssues(error: z.ZodError): ContractIssue[] {
  return error.issues.slice(0, MAX_ISSUES).map((issue) => flatten(issue, []));
}

/** Issues as a member of an error's details. */
export function issuesJson(issues: readonly ContractIssue[]): Json {
  return issues.slice(0, MAX_ISSUES).map(({ code, path, message }) => ({ code, path, message }));
}

function flatten(issue: z.core.$ZodIssue, base: readonly PropertyKey[]): ContractIssue {
  const path = [...base, ...issue.path];
  if (issue.code === "invalid_union") {
    let best: ContractIssue | undefined;
    let depth = 0;
    for (const [first] of issue.errors) {
      if (first === undefined || first.path.length <= depth) continue;
      depth = first.path.length;
      best = flatten(first, path);
    }
    if (best !== undefined) return best;
  }
  const missing = issue.code === "invalid_type" && issue.message.endsWith("received undefined");
  return {
    code: missing ? "required" : issue.code,
    path: pathText(path),
    message: missing ? "This is required" : issue.message,
  };
}

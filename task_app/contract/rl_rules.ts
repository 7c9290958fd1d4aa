import { SynthError } from "@synth/core";
import { type ContractIssue, issuesJson } from "./contract_issue.ts";
import type { FreeObject } from "./free_object.ts";
import { extractTraceCorrelationId } from "./trace_correlation.ts";

/** How {@linkcode validateRolloutResponseForRl} ends. */
export interface RlRulesOptions {
  /** Returns the issues in place of throwing. @default {false} */
  warnOnly?: boolean;
}

/**
 * The rules that a trainer sets on top of the schema, since it finds the traces of a rollout by the correlation id in its URLs:
 *
 * 1. `pipeline_metadata` is an object, and its `inference_url` a string with a correlation id, in the query (`?cid=`, anywhere) or in the path;
 * 2. there is at least one trajectory, and each has at least one step;
 * 3. each step's `info.meta.inference_url` is a string with a correlation id.
 *
 * @returns the issues; without `warnOnly` none
 * @throws {SynthError} 500 `invalid_rollout_response`, with all `issues`
 */
export function validateRolloutResponseForRl(
  answer: unknown,
  options: RlRulesOptions = {},
): ContractIssue[] {
  const issues: ContractIssue[] = [];
  const report: Report = (code, path, message) => issues.push({ code, path, message });
  if (isObject(answer)) {
    checkPipeline(answer["pipeline_metadata"], report);
    checkTrajectories(answer["trajectories"], report);
  } else {
    report("response_not_object", "", "The answer must be an object");
  }
  if (issues.length === 0 || options.warnOnly === true) return issues;
  throw new SynthError(`The answer of the rollout breaks ${issues.length} of the RL rules`, {
    code: "invalid_rollout_response",
    status: 500,
    hint: "Return the inference URL of the request, with its correlation id, in " +
      "pipeline_metadata and in each step's info.meta (includeInferenceUrl does it)",
    details: { issues: issuesJson(issues) },
  });
}

type Report = (code: string, path: string, message: string) => void;

function checkPipeline(metadata: unknown, report: Report): void {
  if (!isObject(metadata)) {
    report("pipeline_metadata_not_object", "pipeline_metadata", "This must be an object");
    return;
  }
  checkUrl(metadata["inference_url"], "pipeline_metadata.inference_url", report);
}

function checkTrajectories(trajectories: unknown, report: Report): void {
  if (!Array.isArray(trajectories) || trajectories.length === 0) {
    report("no_trajectories", "trajectories", "At least one trajectory is needed");
    return;
  }
  trajectories.forEach((trajectory: unknown, index) => {
    const path = `trajectories[${index}]`;
    if (!isObject(trajectory)) {
      report("trajectory_not_object", path, "A trajectory must be an object");
      return;
    }
    const steps = trajectory["steps"];
    if (!Array.isArray(steps) || steps.length === 0) {
      report("no_steps", `${path}.steps`, "At least one step is needed");
      return;
    }
    steps.forEach((step: unknown, at) => checkStep(step, `${path}.steps[${at}]`, report));
  });
}

function checkStep(step: unknown, path: string, report: Report): void {
  if (!isObject(step)) return report("step_not_object", path, "A step must be an object");
  const info = step["info"];
  if (!isObject(info)) {
    return report("step_info_not_object", `${path}.info`, "This must be an object");
  }
  const meta = info["meta"];
  if (!isObject(meta)) {
    return report("step_meta_not_object", `${path}.info.meta`, "This must be an object");
  }
  checkUrl(meta["inference_url"], `${path}.info.meta.inference_url`, report);
}

function checkUrl(url: unknown, path: string, report: Report): void {
  if (url === undefined || url === null || url === "") {
    report("inference_url_missing", path, "The inference URL is required");
  } else if (typeof url !== "string") {
    report("inference_url_not_string", path, "The inference URL must be a string");
  } else if (extractTraceCorrelationId(url) === null) {
    report(
      "inference_url_without_cid",
      path,
      "The inference URL needs a correlation id: cid in its query, or a segment trace_... in its path",
    );
  }
}

function isObject(value: unknown): value is FreeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

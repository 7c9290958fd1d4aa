/**
 * The id that ties a rollout to the traces of its model calls: where it is found, and where it is put.
 *
 * ```ts
 * import { extractTraceCorrelationId } from "@synth/task-app";
 *
 * extractTraceCorrelationId("https://host/v1/chat/completions?cid=trace_run-1"); // "trace_run-1"
 * extractTraceCorrelationId("https://host/v1/trace_run-1/chat/completions"); // "trace_run-1"
 * ```
 *
 * @module
 */
import { normalizeInferenceUrl } from "../urls.ts";
import type { FreeObject } from "./free_object.ts";
import type { RolloutRequest } from "./rollout_request.ts";

const PREFIXED = /^(?:trace|cid|eval)_./;
const PARAMETERS = ["cid", "trace_correlation_id", "trace"];
const MAX_URL = 8192;

/**
 * The correlation id of an inference URL. Looked for in this order: the path segment directly before `chat/completions` when it starts with
 * `trace_`, `cid_` or `eval_`; any such segment; the query's `cid`, `trace_correlation_id`, `trace`.
 *
 * @returns `null` when there is none, or the value is no URL
 */
export function extractTraceCorrelationId(inferenceUrl: unknown): string | null {
  if (typeof inferenceUrl !== "string" || inferenceUrl.length > MAX_URL) return null;
  const url = parse(inferenceUrl.trim());
  if (url === null) return null;
  const segments = url.pathname.split("/").map(decode);
  for (let i = segments.length - 2; i > 0; i--) {
    const before = segments[i - 1] ?? "";
    const isEnd = segments[i] === "chat" && segments[i + 1] === "completions";
    if (isEnd && PREFIXED.test(before)) return before;
  }
  const segment = segments.find((name) => PREFIXED.test(name));
  if (segment !== undefined) return segment;
  for (const name of PARAMETERS) {
    const value = url.searchParams.get(name)?.trim();
    if (value) return value;
  }
  return null;
}

/** The correlation id of a request: its own, else that of `policy.config.inference_url`. */
export function requestCorrelationId(request: RolloutRequest): string | null {
  return request.trace_correlation_id ??
    extractTraceCorrelationId(request.policy.config["inference_url"]);
}

/**
 * An answer that names the id wherever a trainer looks: at the top, in `trace.metadata` (`trace_correlation_id` and `correlation_ids`), in
 * `trace.session_trace.metadata`, and the same in the trace of each trajectory. What the task app put there itself stays.
 *
 * @param answer the answer; it is not changed
 */
export function includeTraceCorrelationId<T extends object>(
  answer: T,
  id: string,
): T & { trace_correlation_id: string } {
  const source = { ...answer } as FreeObject;
  const copy: FreeObject = {
    ...source,
    trace_correlation_id: source["trace_correlation_id"] ?? id,
  };
  const own = String(copy["trace_correlation_id"]);
  if (isObject(source["trace"])) copy["trace"] = stampTrace(source["trace"], own);
  if (Array.isArray(source["trajectories"])) {
    copy["trajectories"] = source["trajectories"].map((item: unknown) =>
      isObject(item) && isObject(item["trace"])
        ? { ...item, trace: stampTrace(item["trace"], own) }
        : item
    );
  }
  return copy as T & { trace_correlation_id: string };
}

/**
 * An answer that names the inference URL wherever the RL rules want it: `pipeline_metadata`, each trajectory, each step's `info.meta`. For the
 * rollout to call with the URL that it really used; what it put there itself stays.
 *
 * @param answer the answer; it is not changed
 */
export function includeInferenceUrl<T extends object>(answer: T, inferenceUrl: string): T {
  const source = { ...answer } as FreeObject;
  const copy: FreeObject = {
    ...source,
    pipeline_metadata: fill(source["pipeline_metadata"], inferenceUrl),
  };
  if (Array.isArray(source["trajectories"])) {
    copy["trajectories"] = source["trajectories"].map((item: unknown) => {
      if (!isObject(item)) return item;
      const filled = fill(item, inferenceUrl);
      const steps = item["steps"];
      return Array.isArray(steps)
        ? { ...filled, steps: steps.map((step) => fillStep(step, inferenceUrl)) }
        : filled;
    });
  }
  return copy as T;
}

function fillStep(step: unknown, url: string): unknown {
  if (!isObject(step)) return step;
  const info = isObject(step["info"]) ? step["info"] : {};
  return { ...step, info: { ...info, meta: fill(info["meta"], url) } };
}

function fill(value: unknown, url: string): FreeObject {
  const object = isObject(value) ? value : {};
  return { ...object, inference_url: object["inference_url"] ?? url };
}

function stampTrace(trace: FreeObject, id: string): FreeObject {
  const stamped: FreeObject = { ...trace, metadata: stamp(trace["metadata"], id) };
  const session = trace["session_trace"];
  if (isObject(session)) {
    stamped["session_trace"] = { ...session, metadata: stamp(session["metadata"], id) };
  }
  return stamped;
}

function stamp(metadata: unknown, id: string): FreeObject {
  const object = isObject(metadata) ? metadata : {};
  const ids = isObject(object["correlation_ids"]) ? object["correlation_ids"] : {};
  return {
    ...object,
    trace_correlation_id: object["trace_correlation_id"] ?? id,
    correlation_ids: { ...ids, trace_correlation_id: ids["trace_correlation_id"] ?? id },
  };
}

function parse(text: string): URL | null {
  try {
    // A relative URL has a path and a query too.
    return new URL(text.startsWith("/") ? text : normalizeInferenceUrl(text), "http://relative");
  } catch {
    return null;
  }
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function isObject(value: unknown): value is FreeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

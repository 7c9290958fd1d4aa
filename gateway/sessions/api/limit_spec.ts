/** Limits of the wire as the ledger's. @module */
import { newId, SynthError } from "@synth/core";
import type { LimitRequest } from "@synth/core/api";
import { type LimitKind, type LimitSpec, MAX_LIMIT } from "../limits.ts";
import { METRIC_OF, parseAmount } from "./amounts.ts";
import { parseTime } from "./times.ts";

/** What a request leaves open. */
export interface LimitDefaults {
  /** Path of the limit in the body, such as `limits[0]`; empty when the limit is the body. */
  readonly path: string;
  /** The id of a limit that names none. */
  readonly id?: string;
}

/**
 * Reads a limit.
 *
 * @throws {SynthError} 400 `invalid_limit`, with the path of the field in `param`
 */
export function limitSpec(request: LimitRequest, defaults: LimitDefaults): LimitSpec {
  const { path } = defaults;
  const value = parseAmount(request.metric_type, request.limit_value, {
    round: "exact",
    max: MAX_LIMIT,
    code: "invalid_limit",
    param: join(path, "limit_value"),
  });
  return {
    id: request.limit_id ?? defaults.id ?? newId("limit_"),
    metric: METRIC_OF[request.metric_type],
    kind: kindOf(request),
    value,
    windowMs: windowOf(request, path),
    warnPpm: warningOf(request, path),
    expiresAt: typeof request.expires_at === "string"
      ? parseTime(request.expires_at, join(path, "expires_at"), "invalid_limit")
      : null,
  };
}

/** Reads a list of limits; their ids differ. */
export function limitSpecs(requests: readonly LimitRequest[]): LimitSpec[] {
  const specs = requests.map((request, i) => limitSpec(request, { path: `limits[${i}]` }));
  const seen = new Set<string>();
  for (const [i, { id }] of specs.entries()) {
    if (seen.has(id)) throw invalid("Two limits have this id", `limits[${i}].limit_id`);
    seen.add(id);
  }
  return specs;
}

/** Whether a limit is the one that was asked for. Its value may have been raised since. */
export function sameLimit(there: LimitSpec, asked: LimitSpec): boolean {
  return there.metric === asked.metric && there.kind === asked.kind &&
    there.windowMs === asked.windowMs && there.warnPpm === asked.warnPpm &&
    there.expiresAt === asked.expiresAt && there.value >= asked.value;
}

function kindOf(request: LimitRequest): LimitKind {
  return request.limit_type === "soft" ? "soft" : "hard";
}

function windowOf(request: LimitRequest, path: string): number | null {
  const { limit_type, window_seconds } = request;
  const param = join(path, "window_seconds");
  if (window_seconds === null || window_seconds === undefined) {
    if (limit_type !== "rolling_window") return null;
    throw invalid("A rolling window needs its length in seconds", param);
  }
  if (limit_type === "hard") {
    throw invalid('A limit with a window has the limit_type "rolling_window"', param);
  }
  return Math.round(window_seconds * 1000);
}

const MILLION = 1_000_000;

function warningOf({ warning_threshold }: LimitRequest, path: string): number | null {
  if (!warning_threshold) return null;
  const ppm = Math.round(warning_threshold * MILLION);
  if (ppm > 0) return ppm;
  throw invalid("A warning threshold is at least 0.000001", join(path, "warning_threshold"));
}

function join(path: string, field: string): string {
  return path === "" ? field : `${path}.${field}`;
}

function invalid(message: string, param: string): SynthError {
  return new SynthError(message, { code: "invalid_limit", status: 400, param });
}

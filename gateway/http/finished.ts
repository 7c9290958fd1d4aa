/** The end of a request: its error as an answer, and its line in the log. @module */
import { type Logger, SynthError } from "@synth/core";
import { UPSTREAM_REFUSALS } from "../bridge/upstream_refusals.ts";
import type { RequestContext } from "./request_context.ts";

/** The log line of a request that is over: ids, numbers and codes; never content, never a key, not the path, which may hold both. */
export function logFinished(log: Logger, context: RequestContext, durationMs: number): void {
  const { quiet, ...fields } = context.fields;
  const level = isFailure(context) ? "error" : quiet === true ? "debug" : "info";
  if (!log.enabled(level)) return;
  log[level]("request", {
    request_id: context.id,
    method: context.request.method,
    ...fields,
    ...(context.error === null ? {} : { error: context.error }),
    duration_ms: Math.round(durationMs),
  });
}

/** Whether someone should look: what the gateway says because it stops, or was never told to do, is no failure. */
function isFailure({ error, fields, abortReason }: RequestContext): boolean {
  if (error !== null) return true;
  const { status, outcome, error_code: code } = fields;
  if (code === "shutting_down" || abortReason?.code === "shutting_down") return false;
  if (Number(status ?? 0) >= 500) return status !== 501;
  // A stream that failed has begun with 200.
  return status === 200 && outcome === "failed" && !UPSTREAM_REFUSALS.has(code);
}

/** An error as an answer. What is not a `SynthError` is a bug: the client learns the request id, the log the rest. */
export function refusal(context: RequestContext, error: unknown): Response {
  const known = error instanceof SynthError ? error : internalError(error);
  context.fields["error_code"] = known.code;
  // An upstream's words may quote the prompt: only what has a cause on this machine is told in full.
  if (known.status >= 500 && known.cause instanceof Error) context.error = known.cause;
  return known.toResponse(context.id);
}

function internalError(cause: unknown): SynthError {
  return new SynthError("The gateway failed", {
    code: "internal_error",
    status: 500,
    hint: "Quote the request id to its operator",
    cause,
  });
}

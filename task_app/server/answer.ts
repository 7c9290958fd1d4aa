/** Answers of a task app, errors included. @module */
import type { Json } from "@synth/core";
import { SynthError } from "@synth/core";
import { HTTPException } from "hono/http-exception";

/** The body of every error of a task app: ours, and the contract's `detail` for its clients. */
export interface TaskAppErrorBody {
  error: { type: string; code: string; message: string; param: string | null; [key: string]: Json };
  detail: { error: { [key: string]: Json } };
}

/** An error as a task app sends it. */
export function taskAppErrorBody(error: SynthError): TaskAppErrorBody {
  const { error: own } = error.toBody();
  return { error: own, detail: { error: own } };
}

/** A JSON answer. Never cached: every answer is one caller's. */
export function json(value: unknown, status = 200, headers: HeadersInit = {}): Response {
  return jsonText(JSON.stringify(value), status, headers);
}

/** A JSON answer that is text already. */
export function jsonText(text: string, status = 200, headers: HeadersInit = {}): Response {
  const all = new Headers(headers);
  all.set("content-type", "application/json");
  all.set("cache-control", "no-store");
  return new Response(text, { status, headers: all });
}

/** An error as an answer. */
export function errorAnswer(error: SynthError): Response {
  return json(taskAppErrorBody(error), error.status, error.headers);
}

/** Any error as ours. What is unknown is told to the log, not to the client. */
export function asSynthError(error: unknown): SynthError {
  if (error instanceof SynthError) return error;
  if (error instanceof HTTPException) {
    return new SynthError(error.message || `The task app refused with ${error.status}`, {
      code: "task_app_refused",
      status: error.status,
      cause: error,
    });
  }
  return new SynthError("The task app failed", {
    code: "internal_error",
    status: 500,
    hint: "Its log tells more about this request id",
    cause: error,
  });
}

/** What every request of a task app has: an id, a logger, a line in the log. @module */
import { type Clock, type Json, type Logger, newId } from "@synth/core";
import type { SynthError } from "@synth/core";

const SANE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** One request. */
export class Frame {
  /** Ours, in every answer as `x-request-id`. A client's own id is only logged. */
  readonly id: string = newId("req_");
  readonly log: Logger;
  /** Members of the log line; never a secret, never content. */
  readonly fields: Record<string, Json> = {};
  readonly #clock: Clock;
  readonly #startedAt: number;
  #error: SynthError | null = null;

  constructor(request: Request, log: Logger, clock: Clock) {
    this.#clock = clock;
    this.#startedAt = clock.monotonic();
    const theirs = request.headers.get("x-request-id") ?? "";
    this.log = log.child({
      request_id: this.id,
      ...(SANE_ID.test(theirs) ? { client_request_id: theirs } : {}),
    });
  }

  /** The error that this request is answered with. */
  fail(error: SynthError): void {
    this.#error = error;
  }

  /** Writes the line. */
  finish(method: string, path: string, status: number): void {
    const quiet = status < 400 && (path === "/" || path === "/livez" || path === "/health");
    const level = status >= 500 ? "error" : quiet ? "debug" : "info";
    const error = this.#error;
    this.log[level]("request", {
      method,
      path,
      status,
      ...this.fields,
      ...(error === null ? {} : { error_code: error.code }),
      ...(error !== null && status >= 500 ? { error } : {}),
      duration_ms: Math.round(this.#clock.monotonic() - this.#startedAt),
    });
  }
}

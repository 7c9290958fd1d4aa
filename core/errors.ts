/**
 * The one error type of every room: it renders itself as an HTTP answer and as a message on a terminal.
 *
 * ```ts
 * import { SynthError } from "@synth/core";
 *
 * throw new SynthError("Model \"x\" is not configured", {
 *   code: "model_not_found",
 *   status: 404,
 *   hint: "Add [models.\"x\"] to synth.toml",
 * });
 * ```
 *
 * @module
 */

/** Exit codes of the `synth` command; the only table (docs/cli.md). */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  auth: 4,
  budget: 5,
  checks: 6,
  unavailable: 69,
  temporary: 75,
  missingProgram: 127,
  interrupted: 130,
} as const;

/** A value that JSON can carry. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What a {@linkcode SynthError} is made of beside its message. */
export interface SynthErrorOptions {
  /** Stable, machine-readable, snake_case: a contract with callers. */
  code: string;
  /** HTTP status. @default {500} */
  status?: number;
  /** The OpenAI error `type`. @default {derived from the status} */
  type?: string;
  /** The request field at fault, as a path (`input[3].content`). */
  param?: string;
  /** What to do about it; shown on a terminal behind the message. */
  hint?: string;
  /** Exit code of a command that fails with this. @default {derived from the status} */
  exitCode?: number;
  /** More members of the `error` object, such as `limit`, `used`, `issues`. */
  details?: { [key: string]: Json };
  /** Response headers, such as `retry-after`. */
  headers?: Record<string, string>;
  /** The error behind this one. Never rendered to a client. */
  cause?: unknown;
}

/** The body of every error answer. */
export interface ErrorBody {
  error: { type: string; code: string; message: string; param: string | null; [key: string]: Json };
}

/** An error with a stable code that can render itself as HTTP and as a CLI message. */
export class SynthError extends Error {
  override readonly name = "SynthError";
  readonly code: string;
  readonly status: number;
  readonly type: string;
  readonly param: string | null;
  readonly hint: string | undefined;
  readonly exitCode: number;
  readonly details: { [key: string]: Json };
  readonly headers: Record<string, string>;

  constructor(message: string, options: SynthErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.status = options.status ?? 500;
    this.type = options.type ?? typeOfStatus(this.status);
    this.param = options.param ?? null;
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? exitOfStatus(this.status);
    this.details = options.details ?? {};
    this.headers = options.headers ?? {};
  }

  /** The wire body: `{"error": {type, code, message, param, ...details}}`. */
  toBody(): ErrorBody {
    return {
      error: {
        ...this.details,
        type: this.type,
        code: this.code,
        message: this.hint ? `${withStop(this.message)} ${this.hint}` : this.message,
        param: this.param,
      },
    };
  }

  /** The HTTP answer, with the request id a client can quote. */
  toResponse(requestId?: string): Response {
    const headers = new Headers(this.headers);
    headers.set("content-type", "application/json");
    headers.set("cache-control", "no-store");
    const body = this.toBody();
    if (requestId !== undefined) {
      headers.set("x-request-id", requestId);
      body.error["request_id"] = requestId;
    }
    return new Response(JSON.stringify(body), { status: this.status, headers });
  }

  /** Two lines for a terminal: what happened (with the code), and what to do. */
  toCliMessage(): string {
    const first = `error: ${this.message} [${this.code}]`;
    return this.hint ? `${first}\n  ${this.hint}` : first;
  }
}

function typeOfStatus(status: number): string {
  if (status === 401) return "authentication_error";
  if (status === 403) return "permission_error";
  if (status === 404) return "not_found_error";
  if (status === 429) return "rate_limit_error";
  return status < 500 ? "invalid_request_error" : "server_error";
}

function exitOfStatus(status: number): number {
  if (status === 401 || status === 403) return EXIT.auth;
  if (status === 404) return EXIT.notFound;
  if (status === 402 || status === 429) return EXIT.budget;
  if (status === 503 || status === 504) return EXIT.unavailable;
  return EXIT.failed;
}

function withStop(sentence: string): string {
  return /[.!?]$/.test(sentence) ? sentence : `${sentence}.`;
}

/** What an upstream's error becomes for our client: an HTTP answer, or the error of a failed stream (bridge.md, Appendix C). @module */
import { redactText, SynthError } from "@synth/core";
import { asFields, asText, errorOfChunk, type Fields, safeJson } from "./chat_chunk.ts";
import type { ResponseError } from "./response_object.ts";

/** What kind of trouble an upstream reports. */
export type UpstreamTrouble =
  | "context"
  | "rejected"
  | "auth"
  | "quota"
  | "rate"
  | "busy"
  | "server";

/** A refused request, as it came. */
export interface UpstreamAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: { get(name: string): string | null | undefined };
  /** The beginning of the body is enough. */
  readonly body: string;
}

const CONTEXT =
  /context[ _-]?(?:length|window|size)|maximum context|too many (?:input )?tokens|prompt is too long|input is too long|exceeds? .{0,80}(?:n_ctx|max_model_len)|reduce the length/i;
const QUOTA = /insufficient[ _](?:quota|credit|balance|funds)|exceeded your current quota|billing/i;
const MAX_MESSAGE = 2000;
const MAX_RETRY_AFTER_SECONDS = 86_400;

/**
 * The answer to give for an upstream's HTTP error, once it is not tried again. 4xx that only the operator can mend are
 * 5xx here; 413 is not passed on, since agents try it again and again.
 */
export function upstreamHttpError(answer: UpstreamAnswer): SynthError {
  const fault = readFault(parse(answer.body), answer.status);
  const message = fault.message || `The upstream answered with status ${answer.status}`;
  switch (fault.trouble) {
    case "context":
      return new SynthError(message, {
        code: "context_length_exceeded",
        status: 400,
        param: "input",
      });
    case "rejected":
      return new SynthError(message, {
        code: /^[a-z][a-z0-9_]{0,63}$/.test(fault.code) ? fault.code : "upstream_rejected",
        status: 400,
      });
    case "auth":
      // The upstream's words may quote a part of the key.
      return new SynthError("The upstream refused the gateway's credentials", {
        code: "upstream_auth",
        status: 502,
        hint: "The operator must check the upstream's key",
      });
    case "quota":
      return new SynthError(message, {
        code: "insufficient_quota",
        type: "insufficient_quota",
        status: 429,
        headers: { "x-should-retry": "false" },
      });
    case "rate": {
      const seconds = retryAfterSeconds(answer);
      const text = /try again in/i.test(message)
        ? message
        : `${message} (try again in ${seconds}s)`;
      return new SynthError(text, {
        code: "rate_limit_exceeded",
        type: "rate_limit_error",
        status: 429,
        // Without it Codex does not try again at all.
        headers: { "retry-after": String(seconds) },
      });
    }
    default:
      return new SynthError(message, {
        code: "upstream_error",
        status: 502,
        type: "server_error",
      });
  }
}

/**
 * The error of a failed stream for an error object that came inside one. Only codes that clients know: Codex and the
 * AI SDK decide by them whether to try again.
 */
export function streamError(raw: unknown): ResponseError {
  const fault = readFault(raw, 0);
  const message = fault.message || "The upstream reported an error";
  switch (fault.trouble) {
    case "context":
      return { code: "context_length_exceeded", message };
    case "quota":
      return { code: "insufficient_quota", message };
    case "rate":
      return { code: "rate_limit_exceeded", message };
    case "rejected":
      return { code: "invalid_prompt", message };
    case "auth":
      return { code: "server_error", message: "The upstream refused the gateway's credentials" };
    default:
      return { code: "server_error", message };
  }
}

/** The same for an error of ours, such as one that {@linkcode upstreamHttpError} made before the stream began. */
export function streamErrorOf(error: { code: string; message: string }): ResponseError {
  return {
    code: STREAM_CODES.has(error.code) ? error.code : "server_error",
    message: error.message,
  };
}

const STREAM_CODES = new Set([
  "server_error",
  "rate_limit_exceeded",
  "invalid_prompt",
  "context_length_exceeded",
  "insufficient_quota",
  "server_is_overloaded",
  "slow_down",
  "usage_not_included",
]);

/** Whether the body of a 200 is an error, and if so the answer to give. */
export function upstreamBodyError(body: unknown): SynthError | null {
  const raw = errorOfChunk(body);
  if (raw === null) return null;
  const status = numericCode(asFields(raw)) ?? BODY_STATUS[readFault(raw, 0).trouble];
  return upstreamHttpError({
    status,
    headers: new Map(),
    body: JSON.stringify({ error: safeJson(raw) }),
  });
}

/** What the status would have been, by what the error calls itself. */
const BODY_STATUS: Readonly<Record<UpstreamTrouble, number>> = {
  context: 400,
  rejected: 400,
  auth: 401,
  quota: 402,
  rate: 429,
  busy: 503,
  server: 502,
};

interface Fault {
  trouble: UpstreamTrouble;
  code: string;
  message: string;
}

function readFault(raw: unknown, httpStatus: number): Fault {
  const outer = asFields(raw);
  const inner = asFields(outer?.error) ?? outer;
  const code = asText(inner?.code);
  const message = clean(
    typeof raw === "string"
      ? raw
      : asText(inner?.message) || asText(outer?.error) || asText(outer?.message) ||
        asText(outer?.detail),
  );
  // OpenRouter wraps the provider's own words.
  const detail = asText(asFields(inner?.metadata)?.raw).slice(0, MAX_MESSAGE);
  const status = httpStatus || (numericCode(inner) ?? 0);
  return {
    trouble: troubleOf(status, code, asText(inner?.type), `${message} ${detail}`),
    code,
    message,
  };
}

function troubleOf(
  status: number,
  ownCode: string,
  type: string,
  text: string,
): UpstreamTrouble {
  const code = ownCode || type;
  const canBeContext = status === 0 || (status >= 400 && status < 600 && status !== 429);
  if (code === "context_length_exceeded" || status === 413) return "context";
  if (canBeContext && status !== 401 && status !== 403 && CONTEXT.test(text)) return "context";
  if (status === 402 || code === "insufficient_quota") return "quota";
  if (status === 429) return QUOTA.test(text) ? "quota" : "rate";
  if (status === 401 || status === 403 || isAuthCode(code)) return "auth";
  if (status === 503 || status === 529) return "busy";
  if (status >= 400 && status < 500 && ![408, 409, 425].includes(status)) return "rejected";
  if (status !== 0) return "server";
  if (/^rate_limit/.test(code)) return "rate";
  if (isRejection(code) || (isRejection(type) && !BROKEN.test(code))) return "rejected";
  return QUOTA.test(code) ? "quota" : "server";
}

/** Codes that tell of no fault of the request, whatever type the upstream gives them. */
const BROKEN = /server|internal|overload|unavailable|timeout/;

function isRejection(code: string): boolean {
  return /^(?:invalid_request|invalid_prompt|bad_request)/.test(code);
}

function isAuthCode(code: string): boolean {
  return code === "invalid_api_key" || code === "authentication_error" ||
    code === "permission_error";
}

function numericCode(fields: Fields | null): number | null {
  for (const value of [fields?.code, fields?.status]) {
    const code = typeof value === "string" && /^\d{3}$/.test(value) ? Number(value) : value;
    if (typeof code === "number" && Number.isInteger(code) && code >= 400 && code < 600) {
      return code;
    }
  }
  return null;
}

function parse(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    // Google answers with an array of one.
    return Array.isArray(value) ? value[0] : value;
  } catch {
    // A proxy's HTML page says nothing to a client.
    return body.trimStart().startsWith("<") ? null : body.slice(0, MAX_MESSAGE);
  }
}

/** One line without control characters and secrets. */
function clean(message: string): string {
  const line = message.slice(0, MAX_MESSAGE).toWellFormed().replace(/[\p{Cc}\s]+/gu, " ");
  return redactText(line).trim();
}

function retryAfterSeconds(answer: UpstreamAnswer): number {
  const precise = Number(answer.headers.get("retry-after-ms") || NaN) / 1000;
  const seconds = precise >= 0 ? precise : Number(answer.headers.get("retry-after") || NaN);
  return seconds >= 0 ? Math.min(Math.max(Math.ceil(seconds), 1), MAX_RETRY_AFTER_SECONDS) : 2;
}

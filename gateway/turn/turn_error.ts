/** Errors on the way of a turn, as the error of a failed response, and back as an HTTP answer. @module */
import { SynthError } from "@synth/core";
import type { ResponseError } from "../bridge/response_object.ts";
import { streamErrorOf } from "../bridge/upstream_error.ts";
import { TransportError } from "../upstreams/transport.ts";

/** What went wrong while the answer was read, in words for the client. Only errors of ours are quoted. */
export function turnError(error: unknown): ResponseError {
  if (error instanceof SynthError) return streamErrorOf(error);
  if (error instanceof TransportError) return { code: "server_error", message: sentence(error) };
  return { code: "server_error", message: "The gateway failed" };
}

/** A failed response as an HTTP answer, for a client that wants no stream. */
export function failedResponseError(error: ResponseError): SynthError {
  const { code, message } = error;
  if (code === "rate_limit_exceeded" || code === "slow_down") {
    return new SynthError(message, { code, status: 429, headers: { "retry-after": "2" } });
  }
  if (code === "insufficient_quota" || code === "usage_not_included") {
    return new SynthError(message, {
      code,
      status: 429,
      type: "insufficient_quota",
      headers: { "x-should-retry": "false" },
    });
  }
  if (code === "context_length_exceeded") {
    return new SynthError(message, { code, status: 400, param: "input" });
  }
  if (code === "invalid_prompt") return new SynthError(message, { code, status: 400 });
  return new SynthError(message, { code, status: 502, type: "server_error" });
}

function sentence(error: TransportError): string {
  return error.message.charAt(0).toUpperCase() + error.message.slice(1);
}

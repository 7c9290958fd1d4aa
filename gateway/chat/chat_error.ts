import type { Json } from "@synth/core";
import type { ResponseError } from "../bridge/response_object.ts";

/** An error in the middle of a Chat stream, in the shape that clients read. */
export function chatError(error: ResponseError): { error: { [key: string]: Json } } {
  const { code, message } = error;
  const type = code === "invalid_prompt" || code === "context_length_exceeded"
    ? "invalid_request_error"
    : "server_error";
  return { error: { type, code, message, param: null } };
}

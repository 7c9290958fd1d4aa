import type { Json } from "@synth/core";
import type { ResponseError } from "../bridge/response_object.ts";

/** OpenAI's type of a code; everything else is a fault of the server. */
const TYPES: ReadonlyMap<string, string> = new Map([
  ["invalid_prompt", "invalid_request_error"],
  ["context_length_exceeded", "invalid_request_error"],
  ["rate_limit_exceeded", "rate_limit_error"],
  ["insufficient_quota", "insufficient_quota"],
]);

/** An error in the middle of a Chat stream, in the shape that clients read. */
export function chatError(error: ResponseError): { error: { [key: string]: Json } } {
  const { code, message } = error;
  const type = TYPES.get(code) ?? "server_error";
  return { error: { type, code, message, param: null } };
}

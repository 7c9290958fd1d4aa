/** A stream that says only that it failed. @module */
import type { ResponseError } from "../bridge/response_object.ts";
import { ResponseTranslation, type ResponseTranslationOptions } from "./response_translation.ts";

/** The bytes of `response.created`, `response.in_progress` and `response.failed`. */
export function failedStream(
  options: ResponseTranslationOptions,
  error: ResponseError,
): Uint8Array<ArrayBuffer> {
  const translation = new ResponseTranslation({ ...options, stream: true });
  translation.finish({ reason: "error", error, now: Math.floor(options.clock.now() / 1000) });
  return translation.flush() ?? new Uint8Array(0);
}

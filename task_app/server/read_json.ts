import { type Clock, type Json, readJsonLimited, SynthError } from "@synth/core";
import type { TaskAppLimits } from "../contract/task_app_config.ts";

/**
 * The JSON body of a request, within the limits.
 *
 * @throws {SynthError} 400 `invalid_json` and what else `parseJsonLimited` finds; 408 `body_timeout`; 413 `body_too_large`; 415
 *   `unsupported_content_encoding`
 */
export async function readJson(
  request: Request,
  limits: TaskAppLimits,
  clock: Clock,
): Promise<Json> {
  const encoding = (request.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  if (encoding !== "identity" && encoding !== "") {
    throw new SynthError("This Content-Encoding is not supported", {
      code: "unsupported_content_encoding",
      status: 415,
      hint: "Send the body as it is",
    });
  }
  const maxBytes = limits.maxBodyBytes ?? 10 * 1024 * 1024;
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const timeoutS = limits.bodyTimeoutS ?? 60;
  const late = Promise.withResolvers<never>();
  const stop = clock.after(timeoutS * 1000, () =>
    late.reject(
      new SynthError(`The body did not arrive within ${timeoutS} s`, {
        code: "body_timeout",
        status: 408,
        headers: { connection: "close" },
      }),
    ));
  const reading = readJsonLimited(request.body, {
    maxBytes,
    maxDepth: limits.maxJsonDepth ?? 64,
  });
  reading.catch(() => {});
  try {
    return await Promise.race([reading, late.promise]);
  } catch (error) {
    if (error instanceof SynthError) throw error;
    throw new SynthError("The body ended before it was complete", {
      code: "body_incomplete",
      status: 400,
      cause: error,
    });
  } finally {
    stop();
  }
}

function tooLarge(maxBytes: number): SynthError {
  return new SynthError(`The body is larger than ${maxBytes} bytes`, {
    code: "body_too_large",
    status: 413,
    details: { max_bytes: maxBytes },
  });
}

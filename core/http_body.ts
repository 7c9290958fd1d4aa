import { type Json, SynthError } from "./errors.ts";
import { joinBytes } from "./join_bytes.ts";
import { type JsonLimits, parseJsonLimited } from "./json.ts";

/** Limits on a body. */
export interface BodyLimits extends JsonLimits {
  /** @default {10_485_760} */
  maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024;
const strict = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads a body whole, counting what really arrives: a missing or lying `Content-Length` makes no difference. At the limit the stream is cancelled.
 *
 * @throws {SynthError} 413 `body_too_large`
 */
export async function readBodyLimited(
  body: ReadableStream<Uint8Array> | null,
  maxBytes: number = DEFAULT_MAX_BYTES,
): Promise<Uint8Array> {
  if (body === null) return new Uint8Array(0);
  const reader = body.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  while (true) {
    const { value, done } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > maxBytes) {
      const error = new SynthError(`The body is larger than ${maxBytes} bytes`, {
        code: "body_too_large",
        status: 413,
        details: { max_bytes: maxBytes },
      });
      // Not awaited: a source that takes its time to stop must not hold up the refusal.
      reader.cancel(error).catch(() => {});
      throw error;
    }
    chunks.push(value);
  }
  return joinBytes(chunks);
}

/**
 * Reads a body as JSON within limits.
 *
 * @throws {SynthError} 413 `body_too_large`, and what {@linkcode decodeUtf8} and {@linkcode parseJsonLimited} throw
 */
export async function readJsonLimited(
  body: ReadableStream<Uint8Array> | null,
  limits: BodyLimits = {},
): Promise<Json> {
  const bytes = await readBodyLimited(body, limits.maxBytes ?? DEFAULT_MAX_BYTES);
  return parseJsonLimited(decodeUtf8(bytes), limits);
}

/**
 * Decodes bytes that must be UTF-8. A BOM at the start is dropped.
 *
 * @throws {SynthError} 400 `invalid_utf8`
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch (cause) {
    throw new SynthError("The body is not valid UTF-8", {
      code: "invalid_utf8",
      status: 400,
      cause,
    });
  }
}

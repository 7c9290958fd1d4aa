/** Reads a request's body: counted while it arrives, inflated under the same cap, within a time. @module */
import { type Clock, SynthError } from "@synth/core";
import { type ByteReader, openByteReader } from "@synth/core/sse";
import type { EndSignal } from "../lifetime.ts";

/** Limits of {@linkcode readBody}. */
export interface BodyLimits {
  /** Bytes, after decompression. */
  readonly maxBytes: number;
  /** Milliseconds until the last byte must have come: `Deno.serve` itself waits for ever. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Ends the reading, with its reason. */
  readonly signal: EndSignal;
}

const DIGITS = /^[0-9]+$/;

/**
 * All bytes of the body.
 *
 * @throws {SynthError} the signal's reason, 413 `body_too_large`, 415 `unsupported_content_encoding`, 408 `body_timeout`, 400 `body_incomplete` or `invalid_compression`
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Uint8Array> {
  limits.signal.throwIfAborted();
  const encoding = (request.headers.get("content-encoding") ?? "identity").trim().toLowerCase();
  const compressed = encoding === "gzip" || encoding === "deflate";
  if (!compressed && encoding !== "identity" && encoding !== "") {
    throw new SynthError("This Content-Encoding is not supported", {
      code: "unsupported_content_encoding",
      status: 415,
      hint: "Send the body as it is, or with gzip or deflate",
    });
  }
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > limits.maxBytes) throw tooLarge(limits);
  // Before anything asks for the body as a stream: the runtime makes one then, and reads through it.
  if (!compressed && length !== null && isSure(length, request.headers)) {
    return await declared(request, limits);
  }
  if (request.body === null) return new Uint8Array(0);
  const stream = compressed
    ? request.body.pipeThrough(new DecompressionStream(encoding))
    : request.body;
  const reader = openByteReader(stream);
  let late = false;
  const stopTimer = limits.clock.after(limits.timeoutMs, () => {
    late = true;
    void reader.cancel(new Error("too slow"));
  });
  const onAbort = (): void => void reader.cancel(limits.signal.reason);
  limits.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const bytes = await collect(reader, limits);
    if (late) throw tooSlow(limits);
    limits.signal.throwIfAborted();
    return bytes;
  } catch (error) {
    limits.signal.throwIfAborted();
    if (late) throw tooSlow(limits);
    if (error instanceof SynthError) throw error;
    throw new SynthError(
      compressed ? "The body cannot be decompressed" : "The body ended before it was complete",
      { code: compressed ? "invalid_compression" : "body_incomplete", status: 400, cause: error },
    );
  } finally {
    stopTimer();
    limits.signal.removeEventListener("abort", onAbort);
  }
}

/**
 * Whether the server's HTTP parser holds the body to this length. Two equal headers come as `9, 9`, one length to the parser and no number here; beside chunks
 * a length says nothing, and workerd shows both.
 */
function isSure(length: string, headers: Headers): boolean {
  return DIGITS.test(length) && !headers.has("transfer-encoding");
}

/**
 * A body whose length was declared: the server's HTTP parser holds it to that, so it is read at one go, which costs a third. When it
 * does not come in time, the answer goes out all the same; the reading ends when the client does.
 */
async function declared(request: Request, limits: BodyLimits): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await inTime(request.bytes(), limits);
  } catch (error) {
    if (error instanceof SynthError) throw error;
    throw new SynthError("The body ended before it was complete", {
      code: "body_incomplete",
      status: 400,
      cause: error,
    });
  }
  if (bytes.length > limits.maxBytes) throw tooLarge(limits);
  return bytes;
}

/** One promise for all that can end the reading: every request passes here. */
function inTime<T>(reading: Promise<T>, limits: BodyLimits): Promise<T> {
  const { clock, signal, timeoutMs } = limits;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      end();
      reject(signal.reason);
    };
    const stopTimer = clock.after(timeoutMs, () => {
      end();
      reject(tooSlow(limits));
    });
    const end = (): void => {
      stopTimer();
      signal.removeEventListener("abort", onAbort);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    reading.then((value) => {
      end();
      resolve(value);
    }, (error: unknown) => {
      end();
      reject(error);
    });
  });
}

async function collect(reader: ByteReader, limits: BodyLimits): Promise<Uint8Array> {
  let buffer = new Uint8Array(0);
  let length = 0;
  for (let chunk = await reader.read(); chunk !== null; chunk = await reader.read()) {
    if (length + chunk.length > limits.maxBytes) {
      await reader.cancel(new Error("too large"));
      throw tooLarge(limits);
    }
    if (length + chunk.length > buffer.length) {
      const grown = new Uint8Array(Math.max(length + chunk.length, buffer.length * 2));
      grown.set(buffer.subarray(0, length));
      buffer = grown;
    }
    buffer.set(chunk, length);
    length += chunk.length;
  }
  return buffer.subarray(0, length);
}

function tooLarge(limits: BodyLimits): SynthError {
  return new SynthError(`The body is larger than ${limits.maxBytes} bytes`, {
    code: "body_too_large",
    status: 413,
    hint: "The operator can raise [gateway] max_body_bytes",
    details: { limit: limits.maxBytes },
  });
}

function tooSlow(limits: BodyLimits): SynthError {
  return new SynthError(`The body did not arrive within ${limits.timeoutMs / 1000} s`, {
    code: "body_timeout",
    status: 408,
    headers: { connection: "close" },
  });
}

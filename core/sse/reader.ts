import type { SseParser } from "./parser.ts";

const BUFFER_BYTES = 16 * 1024;

/** A stream read by hand: what a translation loop needs, without the cost of an iterator. */
export interface ByteReader {
  /**
   * The next bytes, or `null` at the end. A chunk is good until the next `read`: its memory is used again.
   * Rejects with the stream's error.
   */
  read(): Promise<Uint8Array | null>;
  /** Gives the stream up; its source is told why. Safe to call twice and after the end. */
  cancel(reason?: unknown): Promise<void>;
}

/**
 * Opens a stream with a BYOB reader where it is a byte stream (on Deno a quarter of the CPU time of the default reader for a fetched
 * body), with the default reader elsewhere.
 */
export function openByteReader(stream: ReadableStream<Uint8Array>): ByteReader {
  const byob = byobReader(stream);
  return byob === undefined ? defaultByteReader(stream.getReader()) : byobByteReader(byob);
}

/** The chunks of a stream. Each is good until the next is asked for. A loop that is left early cancels the stream. */
export async function* readBytes(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = openByteReader(stream);
  try {
    for (let chunk = await reader.read(); chunk !== null; chunk = await reader.read()) yield chunk;
  } finally {
    await reader.cancel();
  }
}

/** Feeds a whole stream to a parser, its end included. The stream is cancelled when the parser or one of its callbacks throws. */
export async function readSse(
  stream: ReadableStream<Uint8Array>,
  parser: SseParser,
): Promise<void> {
  const reader = openByteReader(stream);
  try {
    for (let chunk = await reader.read(); chunk !== null; chunk = await reader.read()) {
      parser.push(chunk);
    }
    parser.end();
  } catch (error) {
    await reader.cancel(error);
    throw error;
  }
}

function byobReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | undefined {
  try {
    return stream.getReader({ mode: "byob" });
  } catch (error) {
    // Not a byte stream. A locked stream also comes here, and the default reader will say so.
    if (error instanceof TypeError || error instanceof RangeError) return undefined;
    throw error;
  }
}

function byobByteReader(reader: ReadableStreamBYOBReader): ByteReader {
  let buffer = new ArrayBuffer(BUFFER_BYTES);
  return {
    async read() {
      while (true) {
        const { value, done } = await reader.read(new Uint8Array(buffer));
        if (done) return null;
        buffer = value.buffer;
        if (value.length > 0) return value;
      }
    },
    cancel: (reason) => quietly(reader.cancel(reason)),
  };
}

function defaultByteReader(reader: ReadableStreamDefaultReader<Uint8Array>): ByteReader {
  return {
    async read() {
      while (true) {
        const { value, done } = await reader.read();
        if (done) return null;
        if (value.length > 0) return value;
      }
    },
    cancel: (reason) => quietly(reader.cancel(reason)),
  };
}

/** Giving up a stream that has failed fails too; nobody wants to hear it twice. */
async function quietly(cancelled: Promise<void>): Promise<void> {
  try {
    await cancelled;
  } catch {
    // The error was given to whoever read.
  }
}

/** Reads a body as text, up to a size and a time. @module */
import { type Clock, joinBytes } from "@synth/core";
import type { ByteSource } from "./transport.ts";

const decoder = new TextDecoder();

/** The text that came within both limits; the rest is cancelled. Never rejects. */
export async function readText(
  source: ByteSource,
  maxBytes: number,
  clock: Clock,
  timeoutMs: number,
): Promise<string> {
  return (await readTextInTime(source, maxBytes, clock, timeoutMs)).text;
}

/** The same, and whether the time was up before the end came. Never rejects. */
export async function readTextInTime(
  source: ByteSource,
  maxBytes: number,
  clock: Clock,
  timeoutMs: number,
): Promise<{ text: string; late: boolean }> {
  let late = false;
  const stopTimer = clock.after(timeoutMs, () => {
    late = true;
    source.cancel();
  });
  // Decoded at one go: a decoder that goes on from chunk to chunk costs several times as much.
  const chunks: Uint8Array[] = [];
  let left = maxBytes;
  try {
    for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
      // The transport may use its buffer again.
      chunks.push(bytes.slice(0, left));
      left -= bytes.length;
      if (left <= 0) {
        source.cancel();
        break;
      }
    }
  } catch {
    // What came before the failure is what there is.
  } finally {
    stopTimer();
  }
  return { text: decoder.decode(joinBytes(chunks)), late };
}

/** Reads a body as text, up to a size and a time. @module */
import type { Clock } from "@synth/core";
import type { ByteSource } from "./transport.ts";

/** The text that came within both limits; the rest is cancelled. Never rejects. */
export async function readText(
  source: ByteSource,
  maxBytes: number,
  clock: Clock,
  timeoutMs: number,
): Promise<string> {
  const stopTimer = clock.after(timeoutMs, () => source.cancel());
  const decoder = new TextDecoder();
  let text = "";
  let left = maxBytes;
  try {
    for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
      text += decoder.decode(bytes.subarray(0, left), { stream: true });
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
  return text + decoder.decode();
}

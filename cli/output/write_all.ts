/** Writes text to the end, whatever kind of pipe stands behind it. @module */

/** Milliseconds between two attempts to write into a full pipe. */
const PAUSE_MS = 5;
const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes everything. A pipe that another process made non-blocking says when it is full: it is waited for, as for any other, since half a line would spoil the
 * next one, too.
 *
 * @throws {Error} what the target throws beside {@linkcode Deno.errors.WouldBlock}
 */
export function writeAll(target: { writeSync(p: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    try {
      at += target.writeSync(bytes.subarray(at));
    } catch (error) {
      if (!(error instanceof Deno.errors.WouldBlock)) throw error;
      Atomics.wait(never, 0, 0, PAUSE_MS);
    }
  }
}

/** A lock between processes. @module */
import { type Clock, EXIT, SynthError } from "@synth/core";

/** Milliseconds between two attempts, at most. */
const STEP_MS = 25;

/** How long is waited, and by what. */
export interface LockOptions {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Milliseconds. */
  readonly deadlineMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the lock of a file, which is made when it is missing and never removed. The kernel holds it for the open file: it ends with its holder,
 * however that ends.
 *
 * @returns what gives it back
 * @throws {SynthError} `records_locked`, exit code 75
 */
export async function lockFile(path: string, options: LockOptions): Promise<Disposable> {
  const { clock, deadlineMs, signal } = options;
  const end = clock.monotonic() + deadlineMs;
  const file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  try {
    while (!await file.tryLock(true)) {
      if (clock.monotonic() >= end) throw locked(path, deadlineMs);
      // At random, so that many do not try in step.
      await clock.sleep(1 + Math.random() * STEP_MS, signal);
    }
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

function locked(path: string, deadlineMs: number): SynthError {
  return new SynthError(`${path} is held by another process for more than ${deadlineMs} ms`, {
    code: "records_locked",
    status: 503,
    exitCode: EXIT.temporary,
    hint: "Try again; find a process that hangs while it holds the file",
  });
}

/** Starts a program that may just have been written. @module */
import { SynthError, systemClock } from "@synth/core";

const TRIES = 40;
const WAIT_MS = 25;

/**
 * Starts it, and again when the system says that it is being written (ETXTBSY). That may be so for a moment after it was closed: a child that another
 * thread is starting right then has its file descriptors until it is a program of its own.
 *
 * @throws what starting throws; the signal's reason
 */
export async function whenWritten<T>(
  start: () => T | Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (let tries = 1;; tries++) {
    signal?.throwIfAborted();
    try {
      return await start();
    } catch (error) {
      if (tries === TRIES || !isBusy(error)) throw error;
      await systemClock.sleep(WAIT_MS, signal);
    }
  }
}

function isBusy(error: unknown): boolean {
  const cause = error instanceof SynthError ? error.cause : error;
  if (!(cause instanceof Error)) return false;
  return Reflect.get(cause, "code") === "ETXTBSY" || cause.message.includes("(os error 26)");
}

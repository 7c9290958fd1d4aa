/** Waits that end. @module */
import { type Clock, SynthError } from "@synth/core";

/** Resolves as the promise does, or rejects with the signal's reason when that comes first; what the promise does then is nobody's business. */
export function untilAborted<T>(promise: PromiseLike<T> | T, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    Promise.resolve(promise).then(resolve, reject).finally(() =>
      signal.removeEventListener("abort", onAbort)
    );
  });
}

/** Waits for a promise, at most this many milliseconds and until the signal. @throws {SynthError} `took_too_long`; the signal's reason */
export async function withinTime<T>(
  promise: PromiseLike<T>,
  ms: number,
  clock: Pick<Clock, "after">,
  signal?: AbortSignal,
): Promise<T> {
  const late = new AbortController();
  const cancel = clock.after(ms, () => late.abort(tooLong(ms)));
  try {
    const signals = signal === undefined ? late.signal : AbortSignal.any([late.signal, signal]);
    return await untilAborted(promise, signals);
  } finally {
    cancel();
  }
}

/** Aborts after the time of a whole start. @returns what calls it off */
export function startDeadline(
  abort: AbortController,
  ms: number,
  clock: Pick<Clock, "after">,
): () => void {
  return clock.after(ms, () => {
    abort.abort(
      new SynthError(`The task app did not start within ${ms} ms`, {
        code: "start_timeout",
        status: 504,
        hint: "The log names the step that took long; startTimeoutMs gives more time",
      }),
    );
  });
}

/** Why a start ended that was told to. */
export function startAborted(): SynthError {
  return new SynthError("The task app was stopped while it started", {
    code: "start_aborted",
    status: 499,
    exitCode: 130,
  });
}

function tooLong(ms: number): SynthError {
  return new SynthError(`It took longer than ${ms} ms`, { code: "took_too_long", status: 504 });
}

import type { Clock } from "@synth/core";

/** Waits for a promise, but not for ever. Whether it settled in time; rejects when it does. Leaves no timer behind. */
export function within(clock: Clock, ms: number, promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(ms, () => resolve(false));
    promise.then(() => {
      stop();
      resolve(true);
    }, (error: unknown) => {
      stop();
      reject(error);
    });
  });
}

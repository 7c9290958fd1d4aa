/** A promise that may not take longer than a moment in time. @module */
import type { Clock } from "../clock.ts";

/** Stands for "not in time" in {@linkcode before}. */
export const LATE: unique symbol = Symbol("late");

/**
 * Gives the promise's value, or {@linkcode LATE} once the monotonic clock reaches `end`.
 * What comes after that, value or error, is dropped.
 */
export function before<T>(
  promise: Promise<T>,
  end: number,
  clock: Clock,
): Promise<T | typeof LATE> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, end - clock.monotonic()), () => resolve(LATE));
    promise.then((value) => {
      cancel();
      resolve(value);
    }, (error) => {
      cancel();
      reject(error);
    });
  });
}

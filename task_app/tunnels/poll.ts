/** Asks until there is an answer. @module */
import type { Clock } from "@synth/core";

const FIRST_WAIT_MS = 25;
const LONGEST_WAIT_MS = 500;

/** How long is asked. */
export interface PollOptions {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** The first answer that is not `null`; `null` after the time. @throws the signal's reason */
export async function poll<T>(
  ask: () => Promise<T | null>,
  { clock, timeoutMs, signal }: PollOptions,
): Promise<T | null> {
  const end = clock.monotonic() + timeoutMs;
  for (let wait = FIRST_WAIT_MS;; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
    signal.throwIfAborted();
    const answer = await ask();
    signal.throwIfAborted();
    if (answer !== null) return answer;
    const left = end - clock.monotonic();
    if (left <= 0) return null;
    await clock.sleep(Math.min(wait, left), signal);
  }
}

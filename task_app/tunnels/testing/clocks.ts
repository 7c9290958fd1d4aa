/** Clocks that shorten what a test does not want to wait for. @module */
import { type Clock, systemClock } from "@synth/core";

/** The machine's clock, but timers of these lengths fire at once, and pauses are short. */
export function impatientClock(
  timers: readonly number[] = [],
): Clock & { readonly slept: number[] } {
  const slept: number[] = [];
  return {
    ...systemClock,
    slept,
    after: (ms, fn) => systemClock.after(timers.includes(ms) ? 0 : ms, fn),
    sleep: (ms, signal) => {
      slept.push(ms);
      return systemClock.sleep(Math.min(ms, 25), signal);
    },
  };
}

/** The machine's clock, but a timer of this length fires when it is told to. */
export function heldTimer(ms: number): { readonly clock: Clock; fire(): void } {
  let held = () => {};
  const clock: Clock = {
    ...systemClock,
    after: (wanted, fn) => {
      if (wanted !== ms) return systemClock.after(wanted, fn);
      held = fn;
      return () => held = () => {};
    },
  };
  return { clock, fire: () => held() };
}

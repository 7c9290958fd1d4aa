/** Medians, and how sure they are. @module */

/** A figure over rounds: its median and the 95 % interval of that, by bootstrap. */
export interface Figure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

const SAMPLES = 2000;

/** Sums up one value a round. */
export function figure(values: readonly number[]): Figure {
  const medians = Array.from({ length: SAMPLES }, () => {
    return median(values.map(() => values[Math.floor(Math.random() * values.length)] ?? NaN));
  }).sort((a, b) => a - b);
  return {
    median: median(values),
    low: medians[Math.floor(SAMPLES * 0.025)] ?? NaN,
    high: medians[Math.floor(SAMPLES * 0.975)] ?? NaN,
  };
}

/** The middle value; `NaN` of none. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? NaN) + upper) / 2;
}

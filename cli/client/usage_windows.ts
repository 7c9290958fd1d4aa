/** What an org used in the last hours. @module */
import type { SynthClient } from "@synth/core/api";

/** Amounts of a window of time. */
export interface WindowUsage {
  readonly usd: number;
  readonly tokens: number;
  readonly api_calls: number;
  readonly gpu_hours: number;
}

/** Hours of a day. */
export const DAY_HOURS = 24;

const HOUR_MS = 3_600_000;
/** Sums of doubles are rounded to the wire's finest unit, a billionth of a dollar. */
const FINEST = 1e9;

/** Sums what was used from `hours` before `now` (milliseconds since the epoch) on. */
export async function usageOfLast(
  client: Pick<SynthClient, "usageBy">,
  hours: number,
  now: number,
): Promise<WindowUsage> {
  const from = new Date(now - hours * HOUR_MS).toISOString();
  const sum = { usd: 0, tokens: 0, api_calls: 0, gpu_hours: 0 };
  for (const { amounts } of await client.usageBy("model", { from })) {
    sum.usd += amounts.cost_usd;
    sum.tokens += amounts.tokens;
    sum.api_calls += amounts.api_calls;
    sum.gpu_hours += amounts.gpu_hours;
  }
  const rounded = (value: number): number => Math.round(value * FINEST) / FINEST;
  return { ...sum, usd: rounded(sum.usd), gpu_hours: rounded(sum.gpu_hours) };
}

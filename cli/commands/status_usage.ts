/** What `synth status usage` does. @module */
import { systemClock } from "@synth/core";
import { type ClientFlags, connect } from "../client/connect.ts";
import { DAY_HOURS, usageOfLast, type WindowUsage } from "../client/usage_windows.ts";
import type { CliContext } from "../context.ts";
import { amount, count, usd } from "../output/amounts.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";

/** Flags of the command. */
export interface StatusUsageFlags extends ClientFlags {
  readonly budgetUsd?: string;
}

const COLUMNS: readonly Column[] = [
  { title: "LAST" },
  { title: "COST", right: true },
  { title: "TOKENS", right: true },
  { title: "CALLS", right: true },
  { title: "GPU", right: true },
];

/** Shows three windows. */
export async function runStatusUsage(this: CliContext, flags: StatusUsageFlags): Promise<void> {
  const { client } = await connect(this, flags);
  const now = systemClock.now();
  const windows = { daily: DAY_HOURS, weekly: 7 * DAY_HOURS, monthly: 30 * DAY_HOURS };
  const [daily, weekly, monthly] = await Promise.all(
    Object.values(windows).map((hours) => usageOfLast(client, hours, now)),
  ) as [WindowUsage, WindowUsage, WindowUsage];
  const remaining = flags.budgetUsd === undefined
    ? null
    : Math.max(0, Number(flags.budgetUsd) - weekly.usd);
  if (flags.json) {
    return printJson(this, {
      daily,
      weekly,
      monthly,
      ...(remaining === null ? {} : { remaining_vs_budget: remaining }),
    });
  }
  const rows = [row("day", daily), row("7 days", weekly), row("30 days", monthly)];
  this.process.stdout.write(grid(COLUMNS, rows, this.process.stdout));
  if (remaining !== null) {
    say(this, `Of a weekly budget of ${usd(Number(flags.budgetUsd))} are left: ${usd(remaining)}`);
  }
}

function row(name: string, window: WindowUsage): string[] {
  return [
    name,
    usd(window.usd),
    count(window.tokens),
    count(window.api_calls),
    amount("gpu_hours", window.gpu_hours),
  ];
}

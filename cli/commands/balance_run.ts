/** What `synth balance` does. @module */
import { systemClock } from "@synth/core";
import type { SynthClient } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import { DAY_HOURS, usageOfLast, type WindowUsage } from "../client/usage_windows.ts";
import type { CliContext } from "../context.ts";
import { count, usd } from "../output/amounts.ts";
import { printJson, say } from "../output/print.ts";
import { limitsText } from "../output/session_view.ts";
import { table } from "../output/table.ts";

/** Flags of the command. */
export interface BalanceFlags extends ClientFlags {
  readonly usage: boolean;
}

const WINDOWS = [DAY_HOURS, 7 * DAY_HOURS];

/** Shows who is asking, the limits above sessions, and the usage. */
export async function runBalance(this: CliContext, flags: BalanceFlags): Promise<void> {
  const { client } = await connect(this, flags);
  const me = await client.me();
  const windows = flags.usage ? await usageWindows(client) : null;
  if (flags.json) return printJson(this, { ...me, ...(windows === null ? {} : { windows }) });
  const { stdout } = this.process;
  stdout.write(table([
    ["org", me.org_id, `${usd(me.usage.org.cost_usd)} in all`],
    ["user", me.user_id, ""],
    ["key", me.key_id, `${usd(me.usage.key.cost_usd)} in all`],
  ]));
  if (me.limits.length > 0) stdout.write(`\n${limitsText(me.limits, stdout)}`);
  if (windows !== null) {
    const rows = windows.map(({ window_hours: hours, usd: cost, tokens, api_calls: calls }) => [
      `last ${hours} h`,
      usd(cost),
      `${count(tokens)} tokens`,
      `${count(calls)} calls`,
    ]);
    stdout.write(`\n${table(rows)}`);
  }
  if (me.limits.length === 0) say(this, "No limits above sessions; each session has its own");
}

async function usageWindows(
  client: SynthClient,
): Promise<({ window_hours: number } & WindowUsage)[]> {
  const now = systemClock.now();
  return await Promise.all(
    WINDOWS.map(async (hours) => ({
      window_hours: hours,
      ...await usageOfLast(client, hours, now),
    })),
  );
}

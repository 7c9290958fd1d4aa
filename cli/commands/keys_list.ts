/** What `synth keys list` does. @module */
import type { KeyObject } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { amount, METRIC_NAMES, time } from "../output/amounts.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";

/** Flags of the command. */
export interface KeyListFlags extends ClientFlags {
  readonly limit?: number;
}

const COLUMNS: readonly Column[] = [
  { title: "KEY" },
  { title: "HINT", drop: 2 },
  { title: "STATUS" },
  { title: "NAME", cut: 4 },
  { title: "USER", cut: 3 },
  { title: "SCOPES", cut: 2 },
  { title: "LIMITS", drop: 3 },
  { title: "EXPIRES (UTC)", drop: 1 },
];

/** Lists keys. */
export async function runKeysList(this: CliContext, flags: KeyListFlags): Promise<void> {
  const { client } = await connect(this, flags);
  const keys = await client.keys.list({ limit: flags.limit ?? 100 });
  if (flags.json) return printJson(this, keys);
  if (keys.length === 0) return say(this, "There are no keys");
  this.process.stdout.write(grid(COLUMNS, keys.map(row), this.process.stdout));
}

function ratesOf({ requests_per_minute: requests, max_streams: streams }: KeyObject): string[] {
  return [
    ...(requests === null ? [] : [`${requests} requests/min`]),
    ...(streams === null ? [] : [`${streams} streams`]),
  ];
}

function row(key: KeyObject): string[] {
  const limits = key.limits.map(({ metric_type: metric, limit_value: value }) =>
    `${METRIC_NAMES[metric]} ${amount(metric, value)}`
  );
  return [
    key.key_id,
    key.hint,
    key.status,
    key.name,
    key.user_id,
    key.scopes.join(","),
    [...limits, ...ratesOf(key)].join(", "),
    time(key.expires_at),
  ];
}

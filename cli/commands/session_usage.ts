/** What `synth session usage` does. @module */
import type { UsageRecord } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import { findSessionId } from "../client/session_id.ts";
import type { CliContext } from "../context.ts";
import { count, time, usd } from "../output/amounts.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";

/** Flags of the command. */
export interface UsageFlags extends ClientFlags {
  readonly limit?: number;
  readonly offset?: number;
}

const COLUMNS: readonly Column[] = [
  { title: "TIME (UTC)" },
  { title: "MODEL", cut: 2 },
  { title: "INPUT", right: true },
  { title: "CACHED", right: true, drop: 1 },
  { title: "OUTPUT", right: true },
  { title: "COST", right: true },
  { title: "NOTE", cut: 1 },
];

/** Lists what was charged. */
export async function runSessionUsage(
  this: CliContext,
  flags: UsageFlags,
  given?: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  const id = await findSessionId(this, client, given);
  const records = await client.sessions.usage(id, {
    limit: flags.limit ?? 20,
    ...(flags.offset === undefined ? {} : { offset: flags.offset }),
  });
  if (flags.json) return printJson(this, records);
  if (records.length === 0) return say(this, "Nothing was used");
  this.process.stdout.write(grid(COLUMNS, records.map(row), this.process.stdout));
}

function row(record: UsageRecord): string[] {
  return [
    time(record.created_at),
    record.model ?? record.reference_type ?? "-",
    tokens(record.input_tokens),
    tokens(record.cached_tokens),
    tokens(record.output_tokens),
    usd(record.amounts.cost_usd),
    note(record),
  ];
}

function tokens(value: number | null): string {
  return value === null ? "-" : count(value);
}

function note(record: UsageRecord): string {
  if (record.expired) return "expired";
  if (record.estimated) return "estimated";
  return record.overrun.cost_usd > 0 || record.overrun.tokens > 0 ? "overrun" : "";
}

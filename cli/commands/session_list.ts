/** What `synth session list` does. @module */
import type { Limit, SessionObject, WireSessionStatus } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { amount, METRIC_NAMES, time, usd } from "../output/amounts.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";

/** Flags of the command. */
export interface ListFlags extends ClientFlags {
  readonly status?: WireSessionStatus;
  readonly limit?: number;
  readonly offset?: number;
}

const COLUMNS: readonly Column[] = [
  { title: "SESSION" },
  { title: "STATUS" },
  { title: "USED", right: true },
  { title: "LEFT", cut: 3 },
  { title: "TYPE", cut: 2 },
  { title: "CREATED (UTC)", drop: 1 },
];

/** Lists sessions. */
export async function runSessionList(this: CliContext, flags: ListFlags): Promise<void> {
  const { client } = await connect(this, flags);
  const sessions = await client.sessions.list({
    limit: flags.limit ?? 20,
    ...(flags.offset === undefined ? {} : { offset: flags.offset }),
    ...(flags.status === undefined ? {} : { status: flags.status }),
  });
  if (flags.json) return printJson(this, sessions);
  if (sessions.length === 0) return say(this, "There are no sessions");
  this.process.stdout.write(grid(COLUMNS, sessions.map(row), this.process.stdout));
}

function row(session: SessionObject): string[] {
  return [
    session.session_id,
    session.status,
    usd(session.current_usage.cost_usd),
    left(session.limits),
    session.session_type,
    time(session.created_at),
  ];
}

/** Of the limit that is nearest to its end. */
function left(limits: readonly Limit[]): string {
  const [tightest] = limits.filter((limit) => limit.limit_type !== "soft").toSorted((a, b) =>
    share(a) - share(b)
  );
  if (tightest === undefined) return "no limit";
  const { metric_type: metric, remaining } = tightest;
  const text = amount(metric, remaining);
  return metric === "cost_usd" || metric === "gpu_hours" ? text : `${text} ${METRIC_NAMES[metric]}`;
}

function share({ remaining, limit_value }: Limit): number {
  return limit_value === 0 ? 0 : remaining / limit_value;
}

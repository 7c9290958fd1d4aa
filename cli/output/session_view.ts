/** A session as text. @module */
import type { Limit, SessionObject } from "@synth/core/api";
import type { Stream } from "../context.ts";
import { amount, count, METRIC_NAMES, time, usd } from "./amounts.ts";
import { bold, colored } from "./color.ts";
import { clean, type Column, grid } from "./grid.ts";

const LIMIT_COLUMNS: readonly Column[] = [
  { title: "LIMIT" },
  { title: "TYPE", cut: 1 },
  { title: "OF", right: true },
  { title: "USED", right: true },
  { title: "HELD", right: true },
  { title: "LEFT", right: true },
  { title: "STATUS" },
];

/** Head, usage, limits. */
export function sessionText(session: SessionObject, stream: Stream): string {
  const { current_usage: used } = session;
  const facts: [string, string][] = [
    ["status", session.is_active ? `${session.status} (default of this user)` : session.status],
    ["type", session.session_type],
    ["created", time(session.created_at)],
    ...(session.ended_at === null
      ? [["expires", time(session.expires_at)] as [string, string]]
      : [["ended", time(session.ended_at)] as [string, string]]),
    [
      "used",
      `${usd(used.cost_usd)}, ${count(used.tokens)} tokens, ${count(used.api_calls)} calls, ${
        amount("gpu_hours", used.gpu_hours)
      } GPU`,
    ],
  ];
  const head = facts.map(([name, value]) => `  ${name.padEnd(8)} ${clean(value)}\n`).join("");
  const limits = session.limits.length === 0
    ? "  no limits\n"
    : `\n${limitsText(session.limits, stream)}`;
  return `${bold(session.session_id, stream)}\n${head}${limits}`;
}

/** A table of limits. */
export function limitsText(limits: readonly Limit[], stream: Stream): string {
  return grid(LIMIT_COLUMNS, limits.map((limit) => limitRow(limit)), stream);
}

/** A line for each limit that is used up, and what to do; empty when there is none. */
export function exceededText(session: SessionObject, stream: Stream): string {
  const over = session.limits.filter((limit) => limit.exceeded && limit.limit_type !== "soft");
  if (over.length === 0) return "";
  const lines = over.map((limit) =>
    `The ${METRIC_NAMES[limit.metric_type]} limit is used up: ${
      amount(limit.metric_type, limit.current_usage)
    } of ${amount(limit.metric_type, limit.limit_value)}`
  );
  return `${colored("red", lines.join("\n"), stream)}\n` +
    `New requests are refused until it is raised: synth session raise ${session.session_id}\n`;
}

function limitRow(limit: Limit): string[] {
  const { metric_type: metric } = limit;
  const type = limit.window_seconds === null
    ? limit.limit_type
    : `${limit.limit_type === "soft" ? "soft, " : ""}last ${limit.window_seconds} s`;
  return [
    limit.scope === "session" ? METRIC_NAMES[metric] : `${METRIC_NAMES[metric]} (${limit.scope})`,
    type,
    amount(metric, limit.limit_value),
    amount(metric, limit.current_usage),
    amount(metric, limit.held),
    amount(metric, limit.remaining),
    limit.exceeded ? "EXCEEDED" : "ok",
  ];
}

/** A bar for each limit. @module */
import type { Limit, SessionObject } from "@synth/core/api";
import type { Stream } from "../context.ts";
import { amount, METRIC_NAMES } from "./amounts.ts";
import { bold, colored } from "./color.ts";
import { cutTo } from "./grid.ts";

/** Characters of a bar. */
export interface BarStyle {
  readonly used: string;
  readonly held: string;
  readonly left: string;
}

/** For terminals that show Unicode, and for the others. */
export const BAR_STYLES: { readonly unicode: BarStyle; readonly ascii: BarStyle } = {
  unicode: { used: "█", held: "▒", left: "░" },
  ascii: { used: "#", held: "+", left: "." },
};

const LABEL = 10;
const WARN_FROM = 0.8;

/** Lines, one for each limit below a head; each fits `width`. */
export function barLines(
  session: SessionObject,
  style: BarStyle,
  stream: Pick<Stream, "getColorDepth">,
  width: number,
): string[] {
  const head = bold(cutTo(`${session.session_id}  ${session.status}`, width), stream);
  const lines = session.limits.map((limit) => barLine(limit, style, stream, width));
  return [head, ...(lines.length === 0 ? [cutTo("  no limits", width)] : lines)];
}

function barLine(
  limit: Limit,
  style: BarStyle,
  stream: Pick<Stream, "getColorDepth">,
  width: number,
): string {
  const { metric_type: metric, limit_value: of, current_usage: used, held } = limit;
  const numbers = `${amount(metric, used)} of ${amount(metric, of)}` +
    (held > 0 ? ` +${amount(metric, held)} held` : "");
  const label = METRIC_NAMES[metric].padEnd(LABEL);
  const room = Math.max(0, Math.min(40, width - label.length - numbers.length - 4));
  const bar = barOf(used, held, of, room, style);
  const share = of === 0 ? 1 : used / of;
  const color = share >= 1 ? "red" : share >= WARN_FROM ? "yellow" : "green";
  if (room < 4) return cutTo(`${label}${numbers}`, width);
  return `${label}${colored(color, bar, stream)}  ${numbers}`;
}

function barOf(used: number, held: number, of: number, room: number, style: BarStyle): string {
  const cells = (value: number): number =>
    of === 0 ? room : Math.min(room, Math.round(value / of * room));
  const full = cells(used);
  const both = Math.max(full, cells(used + held));
  return style.used.repeat(full) + style.held.repeat(both - full) + style.left.repeat(room - both);
}

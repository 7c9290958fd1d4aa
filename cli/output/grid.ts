/** A table with a header that fits the terminal. @module */
import { unicodeWidth } from "@std/cli/unicode-width";
import type { Stream } from "../context.ts";
import { bold } from "./color.ts";

/** A column. */
export interface Column {
  readonly title: string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** May be cut when the terminal is narrow; the lowest number first. Without one the column is never cut. */
  readonly cut?: number;
}

const GAP = 2;
const SMALLEST = 6;

/** Lines of a table. Off a terminal nothing is cut. Control characters become spaces. */
export function grid(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  stream: Pick<Stream, "columns" | "getColorDepth">,
): string {
  const cells = rows.map((row) => columns.map((_, i) => clean(row[i] ?? "")));
  const widths = columns.map(({ title }, i) =>
    Math.max(unicodeWidth(title), ...cells.map((row) => unicodeWidth(row[i] ?? "")))
  );
  fit(columns, widths, stream.columns());
  const line = (row: readonly string[]): string =>
    columns.map((column, i) => {
      const width = widths[i] ?? 0;
      const text = cutTo(row[i] ?? "", width);
      const space = " ".repeat(width - unicodeWidth(text));
      return column.right === true ? space + text : text + space;
    }).join(" ".repeat(GAP)).trimEnd();
  const header = bold(line(columns.map(({ title }) => title)), stream);
  return [header, ...cells.map(line)].map((text) => `${text}\n`).join("");
}

/** Cuts a text to a number of columns, with an ellipsis. */
export function cutTo(text: string, width: number): string {
  if (unicodeWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    const wide = unicodeWidth(segment);
    if (used + wide > width - 1) break;
    kept += segment;
    used += wide;
  }
  return width < 1 ? "" : `${kept}…`;
}

/** Control characters would move the cursor. */
export function clean(text: string): string {
  // deno-lint-ignore no-control-regex -- these are the ones
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, " ");
}

function fit(columns: readonly Column[], widths: number[], terminal: number | null): void {
  if (terminal === null) return;
  let over = widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1)) - terminal;
  const order = columns.map((column, i) => ({ i, cut: column.cut })).filter((one) =>
    one.cut !== undefined
  ).sort((a, b) => (a.cut ?? 0) - (b.cut ?? 0));
  for (const { i } of order) {
    if (over <= 0) return;
    const width = widths[i] ?? 0;
    const less = Math.min(over, Math.max(0, width - SMALLEST));
    widths[i] = width - less;
    over -= less;
  }
}

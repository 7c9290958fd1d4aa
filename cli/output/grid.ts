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
  /** May be left out when the terminal is narrow, before any is cut; the lowest number first. */
  readonly drop?: number;
}

const GAP = 2;
const SMALLEST = 6;

/** Lines of a table. Off a terminal nothing is cut. Control characters become spaces. */
export function grid(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  stream: Pick<Stream, "columns" | "getColorDepth">,
): string {
  const all: Sized[] = columns.map((column, i) => {
    const cells = rows.map((row) => clean(row[i] ?? ""));
    return { column, cells, width: widest([column.title, ...cells]) };
  });
  const shown = fit(all, stream.columns());
  const line = (cellOf: (sized: Sized) => string): string =>
    shown.map((sized) => {
      const text = cutTo(cellOf(sized), sized.width);
      const space = " ".repeat(sized.width - unicodeWidth(text));
      return sized.column.right === true ? space + text : text + space;
    }).join(" ".repeat(GAP)).trimEnd();
  const header = bold(line(({ column }) => column.title), stream);
  const body = rows.map((_, n) => line(({ cells }) => cells[n] ?? ""));
  return [header, ...body].map((text) => `${text}\n`).join("");
}

/** A column with its cells. */
interface Sized {
  readonly column: Column;
  readonly cells: readonly string[];
  width: number;
}

function widest(texts: readonly string[]): number {
  return texts.reduce((most, text) => Math.max(most, unicodeWidth(text)), 0);
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

/** The columns that are shown, no wider together than the terminal where that can be. */
function fit(all: readonly Sized[], terminal: number | null): readonly Sized[] {
  if (terminal === null) return all;
  let shown = [...all];
  const over = (): number =>
    shown.reduce((sum, { width }) => sum + width, GAP * (shown.length - 1)) - terminal;
  for (const sized of ordered(all, "drop")) {
    if (over() <= 0) return shown;
    shown = shown.filter((one) => one !== sized);
  }
  for (const sized of ordered(shown, "cut")) {
    sized.width -= Math.min(Math.max(0, over()), Math.max(0, sized.width - SMALLEST));
  }
  return shown;
}

function ordered(all: readonly Sized[], by: "cut" | "drop"): Sized[] {
  return all.filter(({ column }) => column[by] !== undefined).sort((a, b) =>
    (a.column[by] ?? 0) - (b.column[by] ?? 0)
  );
}

/** Aligned columns. @module */
import { unicodeWidth } from "@std/cli/unicode-width";

/** Pads every column but the last to its widest cell. Control characters become spaces. */
export function table(rows: readonly (readonly string[])[]): string {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const clean = rows.map((row) => row.map((cell) => cell.replace(/[\x00-\x1f\x7f-\x9f]/g, " ")));
  const widths: number[] = [];
  for (const row of clean) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, unicodeWidth(cell)));
  }
  return clean.map((row) =>
    row.map((cell, i) =>
      i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - unicodeWidth(cell))
    ).join("  ").trimEnd() + "\n"
  ).join("");
}

import { assert, assertEquals } from "@std/assert";
import { unicodeWidth } from "@std/cli/unicode-width";
import { cutTo, grid } from "./grid.ts";

function terminal(columns: number | null): Parameters<typeof grid>[2] {
  return { columns: () => columns, getColorDepth: () => 1 };
}

const COLUMNS = [
  { title: "NAME", cut: 1 },
  { title: "N", right: true },
  { title: "WHEN", drop: 1 },
] as const;
const ROWS = [["a".repeat(30), "1", "2026-11-22"], ["日本語", "1,000", "-"]];

Deno.test("grid aligns by what is seen, numbers at the right", () => {
  assertEquals(
    grid(COLUMNS, [["日本語", "1", "x"], ["abc", "1,000", "y"]], terminal(null)),
    "NAME        N  WHEN\n日本語      1  x\nabc     1,000  y\n",
  );
});

Deno.test("grid leaves out, then cuts, until it fits, and cuts nothing off a terminal", () => {
  const lines = (columns: number | null) =>
    grid(COLUMNS, ROWS, terminal(columns)).trimEnd().split("\n");
  assert(lines(null)[1]?.includes("2026-11-22"));
  assertEquals(lines(49), lines(null));
  assert(lines(40).every((line) => unicodeWidth(line) <= 40 && !line.includes("2026")));
  assert(lines(40)[1]?.startsWith("a".repeat(30)));
  assert(lines(20).every((line) => unicodeWidth(line) <= 20));
  assert(lines(20)[1]?.includes("…  "));
  // The number is whole at any width.
  assert(lines(1)[2]?.endsWith("1,000"));
});

Deno.test("grid lets no control character through", () => {
  assert(!grid(COLUMNS, [["\x1b[2J", "\n", "\r"]], terminal(80)).includes("\x1b"));
});

Deno.test("cutTo cuts between what is seen as one character", () => {
  assertEquals(cutTo("日本語", 6), "日本語");
  assertEquals(cutTo("日本語", 5), "日本…");
  assertEquals(cutTo("日本語", 4), "日…");
  assertEquals(cutTo("👩‍👩‍👧 x", 2), "…");
  assertEquals(cutTo("abc", 0), "");
});

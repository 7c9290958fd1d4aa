import { assertEquals } from "@std/assert";
import { table } from "./table.ts";

Deno.test("table aligns by what is seen", () => {
  assertEquals(table([["a", "b"], ["ccc", "d"]]), "a    b\nccc  d\n");
  assertEquals(table([["日本", "x"], ["a", "y"]]), "日本  x\na     y\n");
});

Deno.test("table lets no control character through", () => {
  assertEquals(table([["a\x1b[2J\n", "b"]]), "a [2J   b\n");
});

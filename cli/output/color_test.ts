import { assertEquals } from "@std/assert";
import { bold, colorDepth } from "./color.ts";

Deno.test("colorDepth keeps to NO_COLOR, FORCE_COLOR and TERM", () => {
  assertEquals(colorDepth({}, false), 1);
  assertEquals(colorDepth({}, true), 8);
  assertEquals(colorDepth({ TERM: "dumb" }, true), 1);
  assertEquals(colorDepth({ NO_COLOR: "1" }, true), 1);
  assertEquals(colorDepth({ NO_COLOR: "" }, true), 8);
  assertEquals(colorDepth({ FORCE_COLOR: "1" }, false), 8);
  assertEquals(colorDepth({ FORCE_COLOR: "1", NO_COLOR: "1" }, true), 1);
});

Deno.test("bold writes no escape where there are no colours", () => {
  assertEquals(bold("x", { getColorDepth: () => 1 }), "x");
  assertEquals(bold("x", { getColorDepth: () => 8 }), "\x1b[1mx\x1b[22m");
});

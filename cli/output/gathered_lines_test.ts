import { assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { GatheredLines } from "./gathered_lines.ts";

Deno.test("GatheredLines writes the lines of a turn at once, and those of the next by themselves", async () => {
  const written: string[] = [];
  const lines = new GatheredLines((text) => written.push(text));
  lines.add("a");
  lines.add("b");
  assertEquals(written, []);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(written, ["a\nb\n"]);
  lines.add("c");
  lines.flush();
  assertEquals(written, ["a\nb\n", "c\n"]);
  await new Promise<void>((resolve) => setImmediate(resolve));
  assertEquals(written.length, 2);
});

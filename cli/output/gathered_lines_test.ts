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

Deno.test("GatheredLines loses no line of the turn in which the process ends", async () => {
  const ends = {
    "Deno.exit(130)": 130,
    "throw new Error('a bug')": 1,
    "Promise.reject(new Error('a bug'))": 1,
    "": 0,
  };
  for (const [end, code] of Object.entries(ends)) {
    const script = `
      import { GatheredLines } from ${JSON.stringify(import.meta.resolve("./gathered_lines.ts"))};
      const lines = new GatheredLines((text) => Deno.stdout.writeSync(new TextEncoder().encode(text)));
      lines.flushAtEnd();
      setTimeout(() => { lines.add("last words"); ${end} });
    `;
    const result = await new Deno.Command(Deno.execPath(), {
      args: ["eval", "--no-config", script],
      stdin: "null",
    }).output();
    assertEquals(new TextDecoder().decode(result.stdout), "last words\n", end);
    assertEquals(result.code, code, end);
  }
});

import { assertEquals, assertThrows } from "@std/assert";
import { writeAll } from "./write_all.ts";

Deno.test("writeAll waits for a full pipe that does not block, and loses nothing", () => {
  const room = [3, 0, 0, 2, 0, 100];
  let written = "";
  const pipe = {
    writeSync(bytes: Uint8Array): number {
      const taken = bytes.subarray(0, room.shift());
      if (taken.length === 0) throw new Deno.errors.WouldBlock("full");
      written += new TextDecoder().decode(taken);
      return taken.length;
    },
  };
  writeAll(pipe, new TextEncoder().encode("a line\n"));
  assertEquals([written, room], ["a line\n", []]);
});

Deno.test("writeAll fails where a pipe has no reader", () => {
  const pipe = {
    writeSync(): number {
      throw new Deno.errors.BrokenPipe("gone");
    },
  };
  assertThrows(() => writeAll(pipe, new Uint8Array(1)), Deno.errors.BrokenPipe);
});

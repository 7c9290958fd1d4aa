import { assertEquals, assertStrictEquals } from "@std/assert";
import { joinBytes } from "./join_bytes.ts";

Deno.test("joinBytes puts pieces one behind the other, and copies none that is alone", () => {
  const alone = new Uint8Array([1, 2]);
  assertStrictEquals(joinBytes([alone]), alone);
  assertEquals(
    joinBytes([alone, new Uint8Array(0), new Uint8Array([3])]),
    new Uint8Array([1, 2, 3]),
  );
  assertEquals(joinBytes([]), new Uint8Array(0));
});

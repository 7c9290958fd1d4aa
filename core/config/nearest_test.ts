import { assertEquals } from "@std/assert";
import { editDistance, nearest } from "./nearest.ts";

Deno.test("nearest finds a near word and no far one", () => {
  const words = ["port", "host", "store", "max_body_bytes"];
  assertEquals(nearest("prot", words), "port");
  assertEquals(nearest("HOST", words), "host");
  assertEquals(nearest("max_body_byte", words), "max_body_bytes");
  assertEquals(nearest("zzz", words), null);
  assertEquals(nearest("x".repeat(1000), words), null);
});

Deno.test("editDistance counts a swap as one", () => {
  assertEquals(editDistance("ab", "ba"), 1);
  assertEquals(editDistance("", "abc"), 3);
  assertEquals(editDistance("same", "same"), 0);
});

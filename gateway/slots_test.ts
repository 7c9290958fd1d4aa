import { assert, assertEquals, assertFalse } from "@std/assert";
import { Slots } from "./slots.ts";

Deno.test("Slots gives back what was added and not removed", () => {
  const slots = new Slots<{ n: number }>();
  const [a, b, c] = [{ n: 1 }, { n: 2 }, { n: 3 }];
  const placeOfA = slots.add(a);
  const placeOfB = slots.add(b);
  assert(slots.remove(placeOfA, a));
  assertEquals(slots.items(), [b]);
  const placeOfC = slots.add(c);
  assertEquals(placeOfC, placeOfA, "a free place is used again");
  assertEquals(slots.size, 2);
  assertFalse(slots.remove(placeOfA, a), "its place is another's now");
  assertEquals(new Set(slots.items()), new Set([b, c]));
  assert(slots.remove(placeOfB, b));
  assertFalse(slots.remove(placeOfB, b), "nothing is removed twice");
  assertEquals(slots.size, 1);
});

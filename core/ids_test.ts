import { assert, assertEquals, assertFalse, assertLess, assertMatch } from "@std/assert";
import { isSessionId, newId, newSessionId, newTimedId } from "./ids.ts";

Deno.test("newId keeps the prefix and adds 32 characters", () => {
  for (const prefix of ["resp_", "msg_", "fc_", "call_", "rs_", "ctc_", "tsc_", "cmp_", "lease_"]) {
    assertMatch(newId(prefix), new RegExp(`^${prefix}[0-9a-v]{32}$`));
  }
});

Deno.test("newId never repeats, also across refills of its pool", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 20_000; i++) seen.add(newId(""));
  assertEquals(seen.size, 20_000);
});

Deno.test("newId uses every character about equally often at every place", () => {
  const rounds = 32_000;
  const counts: number[][] = Array.from({ length: 32 }, () => new Array<number>(32).fill(0));
  for (let i = 0; i < rounds; i++) {
    const id = newId("");
    for (let at = 0; at < 32; at++) {
      const row = counts[at];
      assert(row);
      const digit = parseInt(id.charAt(at), 32);
      row[digit] = (row[digit] ?? 0) + 1;
    }
  }
  // 1000 expected in each cell, standard deviation 31: seven of them are never seen by chance.
  for (const row of counts) for (const count of row) assertLess(Math.abs(count - 1000), 7 * 31);
});

Deno.test("newSessionId has the shape and sorts by time", () => {
  const early = newSessionId(1_750_000_000_000);
  const later = newSessionId(1_750_000_000_001);
  assertMatch(early, /^sess_[0-9a-v]{26}$/);
  assertEquals(early.slice(5, 14), later.slice(5, 14));
  assert(early < later);
  assert(newSessionId(0) < early);
});

Deno.test("isSessionId refuses other shapes", () => {
  assert(isSessionId(newSessionId()));
  assert(isSessionId("sess_" + "z".repeat(26)));
  for (
    const text of [
      "",
      "sess_",
      "sess_" + "a".repeat(25),
      "sess_" + "a".repeat(27),
      "sess_" + "A".repeat(26),
      "sess_" + "a".repeat(26) + "\n",
      " sess_" + "a".repeat(26),
      "sess-" + "a".repeat(26),
    ]
  ) {
    assertFalse(isSessionId(text), text);
  }
});

Deno.test("newTimedId sorts by time and never repeats within one millisecond", () => {
  const seen = new Set<string>();
  let before = "";
  for (let ms = 0; ms < 40; ms++) {
    const made = Array.from({ length: 500 }, () => newTimedId("lease_", 1_750_000_000_000 + ms));
    for (const id of made) {
      assertMatch(id, /^lease_[0-9a-v]{26}$/);
      assert(id > before, `${id} comes after ${before}`);
      seen.add(id);
    }
    before = made.reduce((a, b) => a > b ? a : b);
  }
  assertEquals(seen.size, 20_000);
});

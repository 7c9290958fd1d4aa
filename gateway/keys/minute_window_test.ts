import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { MinuteWindow } from "./minute_window.ts";

Deno.test("MinuteWindow never lets more than its limit into any 60 seconds", () => {
  const steps = fc.array(
    fc.oneof(fc.integer({ min: 0, max: 900 }), fc.integer({ min: 900, max: 90_000 })),
    { maxLength: 400 },
  );
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 20 }), fc.nat(5000), (waits, limit, start) => {
      const window = new MinuteWindow();
      const taken: number[] = [];
      let now = start;
      for (const wait of waits) {
        now += wait;
        if (window.count(now) >= limit) {
          // It says truly when there is room again, and not before.
          const later = window.untilAtMost(limit - 1, now);
          assert(later > 0 && later <= 61_000);
          continue;
        }
        window.add(now);
        taken.push(now);
      }
      for (const [i, from] of taken.entries()) {
        const within = taken.slice(i).filter((at) => at <= from + 60_000);
        assert(within.length <= limit, `${within.length} of ${limit}`);
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("MinuteWindow lets the limit in again after the time that it names", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5000 }), { minLength: 1 }), (waits) => {
      const window = new MinuteWindow();
      let now = 0;
      for (const wait of waits) window.add(now += wait);
      const count = window.count(now);
      for (const most of [0, Math.floor(count / 2), count]) {
        const ms = window.untilAtMost(most, now);
        const copy = new MinuteWindow();
        let at = 0;
        for (const wait of waits) copy.add(at += wait);
        if (ms > 0) assert(copy.count(now + ms - 1) > most);
        assert(copy.count(now + ms) <= most);
      }
    }),
  );
});

Deno.test("MinuteWindow forgets everything after a long silence", () => {
  const window = new MinuteWindow();
  for (let i = 0; i < 500; i++) window.add(i * 100);
  assertEquals(window.count(10_000_000), 0);
});

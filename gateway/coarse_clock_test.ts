import { assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { CoarseClock } from "./coarse_clock.ts";

Deno.test("CoarseClock calls back in time order of its ticks, at most 100 ms late, with one timer", async () => {
  const fake = new FakeClock();
  const clock = new CoarseClock(fake);
  const heard: [string, number][] = [];
  for (const [name, ms] of [["a", 50], ["b", 150], ["c", 1000]] as const) {
    clock.after(ms, () => heard.push([name, fake.monotonic()]));
  }
  assertEquals(fake.pending, 1);
  await fake.tick(5000);
  assertEquals(heard, [["a", 100], ["b", 200], ["c", 1000]]);
  assertEquals(fake.pending, 0);
});

Deno.test("CoarseClock forgets what is cancelled, and ends its timer", async () => {
  const fake = new FakeClock();
  const clock = new CoarseClock(fake);
  let heard = 0;
  const cancel = clock.after(500, () => heard++);
  clock.after(700, () => heard += 10)();
  cancel();
  cancel();
  await fake.tick(5000);
  assertEquals([heard, fake.pending], [0, 0]);
});

Deno.test("CoarseClock lets a callback set and cancel others", async () => {
  const fake = new FakeClock();
  const clock = new CoarseClock(fake);
  const heard: string[] = [];
  const other = clock.after(200, () => heard.push("other"));
  clock.after(100, () => {
    heard.push("first");
    other();
    clock.after(100, () => heard.push("second"));
  });
  await fake.tick(1000);
  assertEquals(heard, ["first", "second"]);
});

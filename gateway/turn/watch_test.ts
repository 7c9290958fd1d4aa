import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { Watch } from "./watch.ts";

Deno.test("Watch notices a silence after its length and at most an eighth more", async () => {
  const clock = new FakeClock();
  const heard: number[] = [];
  const watch = new Watch(clock, 8000, () => heard.push(clock.monotonic()));
  await clock.tick(8000);
  assertEquals(heard, [8000]);
  await clock.tick(500);
  watch.touch();
  await clock.tick(20_000);
  assert(heard[1]! - 8500 >= 8000 && heard[1]! - 8500 <= 9000, `heard at ${heard}`);
  watch.stop();
  await clock.tick(20_000);
  assertEquals([heard.length, clock.pending], [3, 0]);
});

Deno.test("Watch says nothing while it is touched", async () => {
  const clock = new FakeClock();
  let heard = 0;
  const watch = new Watch(clock, 8000, () => heard++);
  for (let i = 0; i < 50; i++) {
    watch.touch();
    await clock.tick(1000);
  }
  assertEquals(heard, 0);
  watch.stop();
});

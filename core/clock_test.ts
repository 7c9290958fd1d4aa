import { assert, assertEquals, assertGreaterOrEqual, assertRejects } from "@std/assert";
import { FakeClock, systemClock } from "./clock.ts";

Deno.test("FakeClock stands still until it is told", async () => {
  const clock = new FakeClock(1000);
  assertEquals([clock.now(), clock.monotonic()], [1000, 0]);
  await clock.tick(250);
  assertEquals([clock.now(), clock.monotonic()], [1250, 250]);
});

Deno.test("FakeClock fires timers in the order of their times, at their times", async () => {
  const clock = new FakeClock(0);
  const fired: [string, number][] = [];
  clock.after(30, () => fired.push(["c", clock.monotonic()]));
  clock.after(10, () => fired.push(["a", clock.monotonic()]));
  clock.after(10, () => fired.push(["b", clock.monotonic()]));
  clock.after(31, () => fired.push(["late", clock.monotonic()]));
  await clock.tick(30);
  assertEquals(fired, [["a", 10], ["b", 10], ["c", 30]]);
  assertEquals(clock.pending, 1);
});

Deno.test("FakeClock fires what a timer or its promises set, within the same tick", async () => {
  const clock = new FakeClock(0);
  const times: number[] = [];
  const loop = (async () => {
    for (let i = 0; i < 3; i++) {
      await clock.sleep(10);
      times.push(clock.monotonic());
    }
  })();
  await clock.tick(100);
  await loop;
  assertEquals(times, [10, 20, 30]);
});

Deno.test("FakeClock does not fire what was cancelled", async () => {
  const clock = new FakeClock(0);
  let fired = false;
  const cancel = clock.after(10, () => fired = true);
  cancel();
  cancel();
  await clock.tick(20);
  assertEquals([fired, clock.pending], [false, 0]);
});

Deno.test("FakeClock jump moves the wall clock alone", async () => {
  const clock = new FakeClock(1000);
  let fired = false;
  clock.after(10, () => fired = true);
  clock.jump(500);
  assertEquals([clock.now(), clock.monotonic(), fired], [500, 0, false]);
  await clock.tick(10);
  assertEquals([clock.now(), fired], [510, true]);
});

for (
  const [name, clock] of [["FakeClock", new FakeClock()], ["systemClock", systemClock]] as const
) {
  Deno.test(`${name} sleep rejects with the signal's reason and leaves no timer`, async () => {
    const reason = new Error("stopped");
    const controller = new AbortController();
    const pending = assertRejects(
      () => clock.sleep(3_600_000, controller.signal),
      Error,
      "stopped",
    );
    controller.abort(reason);
    await pending;
    await assertRejects(() => clock.sleep(3_600_000, AbortSignal.abort(reason)), Error, "stopped");
    if (clock instanceof FakeClock) assertEquals(clock.pending, 0);
  });
}

Deno.test("systemClock tells the time and fires", async () => {
  assert(Math.abs(systemClock.now() - Date.now()) < 1000);
  const before = systemClock.monotonic();
  await systemClock.sleep(1, new AbortController().signal);
  assertGreaterOrEqual(systemClock.monotonic(), before);
  systemClock.after(3_600_000, () => {})();
});

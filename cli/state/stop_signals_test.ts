import { assertEquals } from "@std/assert";
import { FakeClock } from "@synth/core";
import { StopSignals } from "./stop_signals.ts";

Deno.test("StopSignals takes an echo for the same wish and a later signal for another", async () => {
  const clock = new FakeClock();
  const signals = new StopSignals(clock);
  assertEquals(signals.receive("SIGINT"), 1);
  assertEquals(signals.receive("SIGINT"), 1);
  await clock.tick(499);
  assertEquals(signals.receive("SIGINT"), 1);
  await clock.tick(500);
  assertEquals(signals.receive("SIGINT"), 2);
});

Deno.test("StopSignals takes another signal for another wish", () => {
  const signals = new StopSignals(new FakeClock());
  assertEquals(signals.receive("SIGINT"), 1);
  assertEquals(signals.receive("SIGTERM"), 2);
});

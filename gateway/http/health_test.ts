import { assertEquals } from "@std/assert";
import { createLogger, FakeClock } from "@synth/core";
import type { StateStore } from "../options.ts";
import type { Services } from "../services.ts";
import { health } from "./health.ts";
import type { RequestContext } from "./request_context.ts";

Deno.test("health asks the store at most once a second, whoever asks", async () => {
  let pings = 0;
  let up = true;
  const store: StateStore = {
    ping: () => {
      pings++;
      return up ? Promise.resolve() : Promise.reject(new Error("down"));
    },
    close: () => Promise.resolve(),
  };
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLogger({ write: (line) => lines.push(line) });
  const draining = () => false;
  const services = { store, clock, log, version: "0", draining } as unknown as Services;
  const ask = async () => {
    const answer = await health({ fields: {} } as unknown as RequestContext, services);
    return answer.status;
  };
  for (let i = 0; i < 100; i++) assertEquals(await ask(), 200);
  assertEquals(pings, 1);
  up = false;
  await clock.tick(999);
  assertEquals(await ask(), 200);
  await clock.tick(1);
  assertEquals([await ask(), await ask()], [503, 503]);
  assertEquals(pings, 2);
  // Who asks is not told why; the log is, once for each question to the store.
  assertEquals(lines.length, 1);
  assertEquals(JSON.parse(lines[0] ?? "").error.message, "down");
});

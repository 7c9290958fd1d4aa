/** Starts and stops that cross each other. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { silentLogger, SynthError } from "@synth/core";
import { InProcessTaskApp } from "./in_process_task_app.ts";
import type { InProcessTaskAppOptions } from "./options.ts";
import { listens, TunnelDouble } from "./testing/doubles.ts";

function options(more: Partial<InProcessTaskAppOptions> = {}): InProcessTaskAppOptions {
  return {
    app: () => new Response(),
    apiKey: null,
    port: 0,
    tunnelMode: "local",
    env: () => undefined,
    records: false,
    registry: false,
    handleSignals: false,
    log: silentLogger,
    ...more,
  };
}

Deno.test("InProcessTaskApp.stop ends a start that has only been asked for", async () => {
  const tunnels = new TunnelDouble();
  const app = new InProcessTaskApp(options({ tunnelMode: "quick", tunnels }));
  const starting = assertRejects(() => app.start(), SynthError);
  await app.stop();
  assertEquals((await starting).code, "start_aborted");
  assertEquals([tunnels.requests.length, app.running], [0, false]);
});

Deno.test("InProcessTaskApp.stop ends a start that waits for an earlier stop", async () => {
  let starts = 0;
  const stopping = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  const app = new InProcessTaskApp(options({
    onStart: () => void starts++,
    onStop: () => {
      stopping.resolve();
      return gate.promise;
    },
  }));
  await app.start();
  const first = app.stop();
  await stopping.promise;
  const again = assertRejects(() => app.start(), SynthError);
  const second = app.stop();
  gate.resolve();
  await Promise.all([first, second]);
  assertEquals((await again).code, "start_aborted");
  assertEquals([starts, app.running, app.url], [1, false, null]);
});

Deno.test("InProcessTaskApp leaves nothing behind whatever starts and stops cross", async () => {
  const app = new InProcessTaskApp(options());
  const ports = new Set<number>();
  for (let round = 0; round < 100; round++) {
    const calls = Array.from(
      { length: 5 },
      (_, i) => ((round >> i) & 1) === 1 ? app.start() : app.stop(),
    );
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === "rejected") assertEquals(outcome.reason.code, "start_aborted");
    }
    if (app.running) ports.add(app.port);
  }
  await app.stop();
  assert(ports.size > 0);
  assertEquals([app.running, app.url], [false, null]);
  for (const port of ports) assert(!await listens(port));
});

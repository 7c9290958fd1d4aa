import { assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RequestContext } from "../http/request_context.ts";
import { NOTHING } from "../sessions/limits.ts";
import { GatewayMetrics } from "./gateway_metrics.ts";

function newMetrics(): GatewayMetrics {
  return new GatewayMetrics({ inFlight: () => 0, streamsOpen: () => 0, draining: () => false });
}

function finishOne(metrics: GatewayMetrics): WeakRef<object> {
  const route = { method: "POST", paths: ["/v1/responses"], frame: "x".repeat(1000) };
  const done = { fields: { status: 200 }, model: null } as unknown as RequestContext;
  metrics.finished(done, route, 5);
  return new WeakRef(route);
}

Deno.test("GatewayMetrics keeps nothing of a route that was made for one request, such as a frame of a WebSocket", async () => {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const metrics = newMetrics();
  const routes = Array.from({ length: 20 }, () => finishOne(metrics));
  // A reference that was made in this turn lives until its end.
  await new Promise((resolve) => setTimeout(resolve, 0));
  collect();
  assertEquals(routes.filter((route) => route.deref() !== undefined).length, 0);
  const line = 'synth_http_requests_total{route="/v1/responses",method="POST",status="2xx"} 20';
  assertEquals(metrics.text().split("\n").filter((one) => one === line).length, 1);
});

Deno.test("GatewayMetrics counts overrun in one unit for each name, from 0 on", () => {
  const metrics = newMetrics();
  const overruns = (): string[] =>
    metrics.text().split("\n").filter((line) => /^synth_overrun/.test(line));
  assertEquals(overruns(), [
    "synth_overrun_tokens_total 0",
    "synth_overrun_nano_usd_total 0",
    "synth_overrun_gpu_seconds_total 0",
    "synth_overrun_api_calls_total 0",
  ]);
  const tokens = { input: 1, cached: 0, cacheWrite: 0, output: 2, reasoning: 0 };
  metrics.settled("m", tokens, 9n, { ...NOTHING, tokens: 3n, cost: 2_000_000_001n });
  metrics.overran({ ...NOTHING, gpu_time: 1500n, api_calls: 1n });
  metrics.overran({ ...NOTHING, gpu_time: 250n });
  assertEquals(overruns(), [
    "synth_overrun_tokens_total 3",
    "synth_overrun_nano_usd_total 2000000001",
    "synth_overrun_gpu_seconds_total 1.75",
    "synth_overrun_api_calls_total 1",
  ]);
});

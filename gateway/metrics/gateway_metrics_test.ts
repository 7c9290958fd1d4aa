import { assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { RequestContext } from "../http/request_context.ts";
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

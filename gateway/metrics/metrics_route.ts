/** `GET /metrics`. @module */
import type { RequestContext } from "../http/request_context.ts";
import type { Services } from "../services.ts";
import { PROMETHEUS_TYPE } from "./prometheus.ts";

/** The counters for Prometheus. */
export function metricsText(context: RequestContext, services: Services): Response {
  context.fields["quiet"] = true;
  return new Response(services.metrics.text(), {
    headers: { "content-type": PROMETHEUS_TYPE, "cache-control": "no-store" },
  });
}

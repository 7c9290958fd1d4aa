import type { RequestContext } from "./request_context.ts";
import type { Services } from "../services.ts";
import { within } from "../within.ts";
import { json } from "./json.ts";

const PING_MS = 2000;

/** `GET /health`: 200 when the store answers, 503 when it does not, or when the gateway stops. Says nothing that a stranger should not know. */
export async function health(context: RequestContext, services: Services): Promise<Response> {
  context.fields["quiet"] = true;
  const { version } = services;
  // What watches it should send traffic elsewhere.
  if (services.draining()) {
    context.fields["error_code"] = "shutting_down";
    return json({ status: "draining", version, store: "unknown" }, 503);
  }
  const healthy = await reachable(services);
  return json({
    status: healthy ? "ok" : "degraded",
    version,
    store: healthy ? "ok" : "unavailable",
  }, healthy ? 200 : 503);
}

async function reachable(services: Services): Promise<boolean> {
  if (services.store === null) return true;
  try {
    return await within(services.clock, PING_MS, services.store.ping());
  } catch {
    return false;
  }
}

import type { RequestContext } from "./request_context.ts";
import type { Services } from "../services.ts";
import { within } from "../within.ts";
import { json } from "./json.ts";

const PING_MS = 2000;

/** `GET /health`: 200 when the store answers, 503 when it does not. Says nothing that a stranger should not know. */
export async function health(context: RequestContext, services: Services): Promise<Response> {
  const healthy = await reachable(services);
  context.fields["quiet"] = true;
  return json({
    status: healthy ? "ok" : "degraded",
    version: services.version,
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

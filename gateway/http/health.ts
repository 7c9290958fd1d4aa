import type { RequestContext } from "./request_context.ts";
import type { Services } from "../services.ts";
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
  let stop = (): void => {};
  const late = new Promise<boolean>((resolve) => {
    stop = services.clock.after(PING_MS, () => resolve(false));
  });
  const pinged = services.store.ping().then(() => true, () => false);
  const healthy = await Promise.race([pinged, late]);
  stop();
  return healthy;
}

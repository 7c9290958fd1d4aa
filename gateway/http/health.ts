import type { RequestContext } from "./request_context.ts";
import type { StateStore } from "../options.ts";
import type { Services } from "../services.ts";
import { within } from "../within.ts";
import { json } from "./json.ts";

const PING_MS = 2000;
/** How long an answer of the store counts: anybody may ask, and each question to a store has its price. */
const FRESH_MS = 1000;

/** What a store last answered, and when by the monotonic clock. */
const answers: WeakMap<StateStore, { readonly at: number; readonly healthy: boolean }> =
  new WeakMap();

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

async function reachable({ store, clock, log }: Services): Promise<boolean> {
  if (store === null) return true;
  const last = answers.get(store);
  if (last !== undefined && clock.monotonic() - last.at < FRESH_MS) return last.healthy;
  let error: unknown = null;
  const healthy = await within(clock, PING_MS, store.ping()).catch((failure) => {
    error = failure;
    return false;
  });
  // Whoever asked is told nothing; whoever operates this must learn why.
  if (!healthy) {
    log.warn("the store does not answer", error === null ? { waited_ms: PING_MS } : { error });
  }
  answers.set(store, { at: clock.monotonic(), healthy });
  return healthy;
}

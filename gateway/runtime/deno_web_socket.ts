/** WebSockets of Deno. @module */
import type { FetchInfo, UpgradedRequest } from "../options.ts";

/** Seconds: Deno pings a client that is silent for so long, and ends the connection of one that does not answer. */
const PING_S = 30;

const INFO: FetchInfo = { upgrade: upgradeInDeno };

/** What every request to a Deno server comes in with. */
export function denoFetchInfo(): FetchInfo {
  return INFO;
}

function upgradeInDeno(request: Request): UpgradedRequest {
  return Deno.upgradeWebSocket(request, { idleTimeout: PING_S });
}

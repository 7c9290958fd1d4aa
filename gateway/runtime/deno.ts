/** The gateway behind `Deno.serve`. @module */
import { systemClock } from "@synth/core";
import type { Gateway } from "../options.ts";
import { within } from "../within.ts";
import { denoFetchInfo } from "./deno_web_socket.ts";

export { nodePrefixHash } from "./node_hash.ts";
export { openSqliteStores } from "./sqlite_stores.ts";
export { redisStores, type Stores } from "./stores.ts";
export { undiciTransport } from "../upstreams/undici_transport.ts";

/** A gateway that listens. */
export interface ServedGateway {
  readonly url: string;
  /** The port that was picked. */
  readonly port: number;
  /** Refuses new requests, lets the open ones finish within the grace time (milliseconds), and closes everything. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Listens. The caller handles signals: it calls `stop`, then ends the process. `Deno.serve` has no time limit for request headers
 * (bodies have one of ours): put a proxy in front where strangers connect.
 */
export function serveGateway(
  gateway: Gateway,
  options: { hostname: string; port: number },
): ServedGateway {
  const server = Deno.serve({ ...options, onListen() {} }, (request, info) => {
    return gateway.fetch(request, { ...denoFetchInfo(), peer: () => hostOf(info.remoteAddr) });
  });
  const { hostname, port } = server.addr;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    port,
    async stop(graceMs) {
      await gateway.drain(graceMs);
      // A client that does not take what is left must not hold up the end.
      await within(systemClock, 2000, server.shutdown());
    },
  };
}

function hostOf(address: Deno.Addr): string | null {
  return "hostname" in address ? address.hostname : null;
}

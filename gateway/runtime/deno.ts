/** The gateway behind `Deno.serve`. @module */
import type { Gateway } from "../options.ts";

export { nodePrefixHash } from "./node_hash.ts";
export { openSqliteStores } from "./sqlite_stores.ts";
export { redisStores, type Stores } from "./stores.ts";
export { undiciTransport } from "../upstreams/undici_transport.ts";

/** A gateway that listens. */
export interface ServedGateway {
  /** `http://host:port`, with the port that was picked. */
  readonly url: string;
  readonly port: number;
  /** Refuses new requests, lets the open ones finish within the grace time (milliseconds), and closes everything. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Listens. The caller handles signals: it calls `stop` and then ends the process, since `Deno.serve` alone would not end while a timer
 * lives. `Deno.serve` has no time limit for request headers; put a proxy in front where strangers connect. Bodies have one.
 */
export function serveGateway(
  gateway: Gateway,
  options: { hostname: string; port: number },
): ServedGateway {
  const server = Deno.serve(
    { hostname: options.hostname, port: options.port, onListen: () => {} },
    (request) => gateway.fetch(request),
  );
  const { hostname, port } = server.addr;
  return {
    url: `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`,
    port,
    async stop(graceMs) {
      await gateway.drain(graceMs);
      await server.shutdown();
    },
  };
}

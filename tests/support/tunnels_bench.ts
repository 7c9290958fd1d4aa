/** The life of tunnels on a real store, against the Cloudflare double. @module */
import { createLogger, newId } from "@synth/core";
import type { DocumentStore } from "@synth/core/storage";
import {
  createSealer,
  generateSealKey,
  parseSealKeys,
  type Sealer,
} from "../../gateway/bridge/seal.ts";
import { CloudflareProvider } from "../../gateway/tunnels/cloudflare_provider.ts";
import { readNameWish } from "../../gateway/tunnels/names.ts";
import {
  type NewTunnel,
  type TunnelCaller,
  TunnelService,
} from "../../gateway/tunnels/tunnel_service.ts";
import { TunnelStore } from "../../gateway/tunnels/tunnel_store.ts";
import { CLOUDFLARE, type CloudflareDouble, startCloudflare } from "./cloudflare_double.ts";
import type { RedisServer } from "./redis_server.ts";
import { type CountingStore, openDocuments, type StoreKind } from "./stored_bench.ts";
import { ImpatientClock } from "./test_gateway.ts";

/** Everything a test of tunnels needs. */
export interface TunnelsBench extends AsyncDisposable {
  readonly cloudflare: CloudflareDouble;
  readonly documents: CountingStore;
  readonly clock: ImpatientClock;
  readonly sealer: Sealer;
  readonly lines: string[];
  readonly org: string;
  readonly caller: TunnelCaller;
  /** A service; of another store or with another fetch when given. */
  service(other?: ServiceOptions): TunnelService;
  /** What is asked for. */
  wanted(subdomain?: string | null, more?: Partial<NewTunnel>): NewTunnel;
  /** All that is stored for the org and for all orgs, but for what is meant to stay: lines that say so. */
  left(): Promise<string[]>;
}

/** What differs from the default. */
export interface ServiceOptions {
  readonly documents?: DocumentStore;
  readonly fetch?: typeof fetch;
  readonly maxPerOrg?: number;
}

/** Opens one, on a store in which nothing is: the journal is one for all orgs. */
export async function tunnelsBench(kind: StoreKind, redis: RedisServer): Promise<TunnelsBench> {
  if (kind !== "SQLite") await redis.cli("FLUSHALL");
  const stack = new AsyncDisposableStack();
  const cloudflare = stack.use(startCloudflare());
  const clock = new ImpatientClock(Date.now());
  const documents = await openDocuments(kind, redis, clock, stack);
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const org = newId("o");
  const domain = `${org}.example.com`;
  const lines: string[] = [];
  const { account: accountId, zone: zoneId, token: apiToken } = CLOUDFLARE;
  return {
    cloudflare,
    documents,
    clock,
    sealer,
    lines,
    org,
    caller: { org, user: "me", admin: false },
    service: (other = {}) =>
      new TunnelService({
        store: new TunnelStore(other.documents ?? documents),
        settings: { domain, accountId, zoneId, maxPerOrg: other.maxPerOrg ?? 10 },
        sealer,
        clock,
        log: createLogger({ write: (line) => void lines.push(line) }),
        provider: (account, budget) =>
          new CloudflareProvider({
            ...account,
            apiToken,
            apiUrl: cloudflare.url,
            fetch: other.fetch ?? fetch,
            budget,
            random: () => 0.5,
          }),
      }),
    wanted: (subdomain = null, more = {}) => ({
      localHost: "127.0.0.1",
      localPort: 8114,
      names: readNameWish(subdomain, 8114, domain),
      request: null,
      ...more,
    }),
    async left() {
      const found: string[] = [];
      for (const  of of[org, `${org}b`]) {
        const { documents: all } = await documents.list(of, "tunnels");
        for (const one of all) found.push(`tunnel ${one.index}`);
      }
      for (const collection of ["tunnel_names", "tunnel_journal"]) {
        const { documents: all } = await documents.list("_system", collection, { limit: 1000 });
        for (const { value } of all) {
          const owner = (value as { org: string }).org;
          if (owner === org || owner === `${org}b`) found.push(collection);
        }
      }
      return found;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What handlers share. @module */
import type { Clock, Logger } from "@synth/core";
import type { KeyStore, Scope } from "@synth/core/auth";
import type { DocumentStore } from "@synth/core/storage";
import type { Sealer } from "./bridge/seal.ts";
import type { Dashboard } from "./dashboard/dashboard.ts";
import type { RequestContext } from "./http/request_context.ts";
import type { RateLimiter } from "./keys/rate_limiter.ts";
import type { GatewayMetrics } from "./metrics/gateway_metrics.ts";
import type { FetchInfo, StateStore } from "./options.ts";
import type { PriceBook } from "./pricing/price_book.ts";
import type { Admission } from "./sessions/admission.ts";
import type { SessionLedger } from "./sessions/ledger/ledger.ts";
import type { ResponseStore } from "./responses/response_store.ts";
import type { OpenSockets } from "./responses/socket/open_sockets.ts";
import type { Telemetry } from "./telemetry/telemetry.ts";
import type { UpstreamClient } from "./upstreams/client.ts";

/** The long-lived parts of a gateway. */
export interface Services {
  readonly clock: Clock;
  /** For what belongs to no one request. */
  readonly log: Logger;
  readonly admission: Admission;
  readonly ledger: SessionLedger | null;
  readonly keys: KeyStore | null;
  readonly prices: PriceBook;
  readonly upstreams: UpstreamClient;
  readonly store: StateStore | null;
  readonly sealer: Sealer | null;
  /** Absent where there is no store, or nothing to seal with. */
  readonly responses: ResponseStore | null;
  /** As the options gave it. */
  readonly documents: DocumentStore | null;
  /** The WebSockets that are open. */
  readonly sockets: OpenSockets;
  readonly dashboard: Dashboard;
  readonly version: string;
  /** What is counted; `metrics.snapshot()` has it for people. */
  readonly metrics: GatewayMetrics;
  readonly telemetry: Telemetry;
  /** The rate limits of keys. A turn that comes by another way than a route of the scope `infer` asks it itself. */
  readonly rates: RateLimiter;
  /** Whether the gateway stops. */
  draining(): boolean;
  /** Reads the configuration again. Throws `SynthError` when it is bad. */
  reload(): Promise<void>;
  /** Runs a handler as a request of its own: authentication, drain, errors and the log line like those of any other. Never rejects. */
  run(route: Route, request: Request, info: FetchInfo): Promise<Response>;
}

/** Answers one request, or throws a `SynthError`. */
export type Handler = (context: RequestContext, services: Services) => Response | Promise<Response>;

/** One line of the table. */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  readonly paths: readonly string[];
  /** What the key must be allowed to do; `any`: nothing more than to be valid; `null`: no key is asked for. */
  readonly scope: Scope | "any" | null;
  readonly handler: Handler;
  /** Without a key for a caller on this machine, unless `[gateway] metrics = "key"`. @default {false} */
  readonly openLocally?: boolean;
  /** Answered while the gateway stops. @default {false} */
  readonly whileDraining?: boolean;
}

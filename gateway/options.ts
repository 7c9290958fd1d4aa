/** What a gateway is made of, and what it can be asked to do. @module */
import type { Clock, Logger } from "@synth/core";
import type { Authenticator, KeyStore } from "@synth/core/auth";
import type { SynthConfig } from "@synth/core/config";
import type { DocumentStore } from "@synth/core/storage";
import type { Sealer } from "./bridge/seal.ts";
import type { PriceBook } from "./pricing/price_book.ts";
import type { Admission } from "./sessions/admission.ts";
import type { SessionLedger } from "./sessions/ledger/ledger.ts";
import type { PrefixHasher } from "./sessions/prefix_hash.ts";
import type { SecretSource } from "./secret_source.ts";
import type { UpstreamTransport } from "./upstreams/transport.ts";

/** What holds the gateway's state, as far as `/health` and shutting down need it. */
export interface StateStore {
  /** Rejects when the store cannot be reached. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** The parts of {@linkcode createGateway}. */
export interface GatewayOptions {
  /** The configuration to begin with. */
  readonly config: SynthConfig;
  /** Reads the configuration again. Absent: {@linkcode Gateway.reload} is refused. */
  readonly loadConfig?: () => Promise<SynthConfig>;
  readonly authenticator: Authenticator;
  readonly secrets: SecretSource;
  /** How upstreams are reached. */
  readonly transport: UpstreamTransport;
  /** @default {no store: always healthy} */
  readonly store?: StateStore;
  /** Where responses are kept, sealed by `sealer`. @default {no response is stored} */
  readonly documents?: DocumentStore;
  /** Who may spend what. With it every request is admitted by its budgets; {@linkcode Gateway.drain} closes it. @default {no budgets} */
  readonly ledger?: SessionLedger;
  /** Keys that the API can make and end. @default {no such routes} */
  readonly keys?: KeyStore;
  /** @default {the table that ships with synth} */
  readonly prices?: PriceBook;
  /** How conversations are told apart, for their input bound. @default {SHA-256 in JavaScript} */
  readonly hasher?: PrefixHasher;
  /** Overrules the admission of `ledger`. @default {by the ledger, else everything is granted} */
  readonly admission?: Admission;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** One line a request, and one for what happens to the gateway. @default {silentLogger} */
  readonly log?: Logger;
  /** Seals reasoning that the client keeps for us. @default {reasoning is not sealed} */
  readonly sealer?: Sealer;
}

/** A request that became a WebSocket. */
export interface UpgradedRequest {
  /** What the runtime must be given as the answer. */
  readonly response: Response;
  /** The server's end. Where the runtime has no `bufferedAmount`, what a client leaves lying is not bounded by us. */
  readonly socket: WebSocket;
}

/** How a request came in. */
export interface FetchInfo {
  /**
   * Makes a WebSocket of a request that asks for one. Throws when the handshake is not valid.
   *
   * @default {WebSockets are declined with 426}
   */
  readonly upgrade?: (request: Request) => UpgradedRequest;
  /** Keeps the isolate alive until the promise settles. Absent: the gateway keeps it, and {@linkcode Gateway.drain} awaits it. */
  readonly waitUntil?: (promise: Promise<unknown>) => void;
  /**
   * Tells that the client is gone, also while the answer is streamed. For runtimes that do not cancel the answer's stream.
   *
   * @default {the request's own signal, until the answer begins}
   */
  readonly clientGone?: AbortSignal;
  /** The address of the socket's other end. Only where no proxy of the platform stands before it. @default {not known} */
  readonly peer?: () => string | null;
}

/** A running gateway: Web-standard requests in, responses out. */
export interface Gateway {
  /** Answers one request. Never rejects. */
  fetch(request: Request, info?: FetchInfo): Promise<Response>;
  /**
   * Takes the configuration anew; requests that run keep the one they began with.
   *
   * @throws {SynthError} when it is bad: then the old one stays in force. `reload_unavailable` without a loader.
   */
  reload(): Promise<void>;
  /**
   * Refuses new requests with 503, waits until the open ones have finished, at most `graceMs` (default: `shutdown_grace_s`), ends the
   * rest with `response.failed`, settles, and closes the store and the transport.
   */
  drain(graceMs?: number): Promise<void>;
  /** Requests whose answer is not complete. */
  readonly active: number;
}

/** What a chaos run is made of, and what it tells. @module */
import type { Gateway } from "@synth/gateway";
import type { SessionLedger } from "../../gateway/sessions/ledger/ledger.ts";
import { budgetPrincipal } from "../support/budget_in_process.ts";
import type { RawServer } from "../support/raw_http.ts";
import type { ImpatientClock } from "../support/test_gateway.ts";
import type { Seen } from "./chaos_client.ts";
import type { ChaosBooks } from "./chaos_ledger.ts";
import type { ChaosReply } from "./chaos_replies.ts";
import type { Random } from "./random.ts";

/** Who asks. */
export const ORG = budgetPrincipal().org;

/** What to do. */
export interface ChaosOptions {
  readonly seed: number;
  /** Rounds of {@linkcode ChaosOptions.requests} requests; asked before each round whether to go on. */
  readonly again: (round: number) => boolean;
  /** Requests of a round. */
  readonly requests: number;
  /** Requests at the same time. */
  readonly clients: number;
  /** Share of the store's calls that meet a fault. */
  readonly storeFaults: number;
  /** Where the ledger lies. @default {":memory:"} */
  readonly path?: string;
  readonly onRound?: (report: ChaosReport) => void;
  /** Stands between the gateway and the ledger: for showing that broken books are noticed. */
  readonly tamper?: (ledger: SessionLedger) => SessionLedger;
}

/** What came of it. */
export interface ChaosReport {
  requests: number;
  upstreamCalls: number;
  storeFaults: number;
  events: number;
  /** Leases that were charged because nobody settled them: settlements that met a dead store too often. */
  expired: number;
  gone: number;
  tokens: bigint;
  /** How often each status was seen. */
  readonly statuses: Map<number, number>;
  /** What is wrong; at most a hundred. */
  readonly problems: string[];
}

/** The model server. */
export interface Upstream extends RawServer {
  /** The replies that each request (by its id) was given. */
  readonly given: Map<string, ChaosReply[]>;
  calls: number;
}

/** All that takes part. */
export interface Stage {
  readonly options: ChaosOptions;
  readonly random: Random;
  readonly clock: ImpatientClock;
  readonly real: SessionLedger;
  readonly books: ChaosBooks;
  readonly gateway: Gateway;
  readonly upstream: Upstream;
  readonly url: string;
  readonly kept: Set<Promise<unknown>>;
  readonly report: ChaosReport;
}

/** A request and what its client saw. */
export interface Asked {
  readonly session: string;
  readonly seen: Seen;
}

/**
 * The page for people, and what it keeps: sign-ins, the shared reads, the open feeds.
 *
 * ```ts
 * const dashboard = new Dashboard({ clock, authenticator, documents, ledger, keys, taskApps: null, inFlight, shared: true });
 * const view = await dashboard.reader.view("acme", { withKeys: false });
 * dashboard.close(); // when the gateway drains: open pages are told, and connect again
 * ```
 *
 * @module
 */
import type { Clock } from "@synth/core";
import type { Authenticator } from "@synth/core/auth";
import type { DocumentStore } from "@synth/core/storage";
import type { InFlight } from "../http/in_flight.ts";
import { DrawnSections } from "./drawn_sections.ts";
import { Feeds } from "./feeds.ts";
import { OrgReader, type OrgReaderOptions } from "./org_view.ts";
import { type RunningCall, runningCalls } from "./running.ts";
import { SignIns } from "./sign_ins.ts";

/** The parts of a {@linkcode Dashboard}. */
export interface DashboardOptions extends OrgReaderOptions {
  readonly clock: Clock;
  readonly authenticator: Authenticator;
  readonly documents: DocumentStore | null;
  readonly inFlight: InFlight;
}

/** One for each gateway. */
export class Dashboard {
  readonly signIns: SignIns;
  readonly reader: OrgReader;
  readonly feeds: Feeds = new Feeds();
  readonly drawn: DrawnSections = new DrawnSections();
  /** Whether requests may share what they wait for: everywhere but in Workers. */
  readonly shared: boolean;
  readonly #inFlight: InFlight;
  readonly #clock: Clock;

  constructor(options: DashboardOptions) {
    this.signIns = new SignIns(options);
    this.reader = new OrgReader(options);
    this.shared = options.shared;
    this.#inFlight = options.inFlight;
    this.#clock = options.clock;
  }

  /** The org's model calls that run in this process. */
  running(org: string): RunningCall[] {
    return runningCalls(this.#inFlight.open(), org, this.#clock.now());
  }

  /** Ends the open feeds, and takes no more. */
  close(): void {
    this.feeds.close();
  }
}

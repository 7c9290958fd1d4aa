/** Charges leases that nobody settled: of gateways that were killed, of settlements that were lost. @module */
import type { Clock, Logger } from "@synth/core";
import type { AdmissionObserver } from "./admission_observer.ts";
import type { SessionLedger } from "./ledger/ledger.ts";

/** Milliseconds between two looks at the same org. */
const EVERY_MS = 30_000;
/** Leases of one look. */
const MOST = 100;
/** Orgs that are remembered; one that is forgotten is looked at sooner. */
const MAX_ORGS = 10_000;

/** Sweeps an org when one of its requests is done: what nobody asks about can wait, and no timer keeps an isolate awake. */
export class LeaseSweeper {
  readonly #ledger: Pick<SessionLedger, "expireLeases">;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #observer: Pick<AdmissionObserver, "leasesExpired"> | null;
  /** By org: when it was last looked at, on the monotonic clock. */
  readonly #looked: Map<string, number> = new Map();

  constructor(
    ledger: Pick<SessionLedger, "expireLeases">,
    clock: Clock,
    log: Logger,
    observer: Pick<AdmissionObserver, "leasesExpired"> | null = null,
  ) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#log = log;
    this.#observer = observer;
  }

  /** Charges what is due in this org; `null` when that was done a moment ago. The promise never rejects. */
  sweep(org: string): Promise<void> | null {
    const now = this.#clock.monotonic();
    if (now - (this.#looked.get(org) ?? -Infinity) < EVERY_MS) return null;
    this.#note(org, now);
    return this.#sweep(org);
  }

  #note(org: string, now: number): void {
    this.#looked.delete(org);
    this.#looked.set(org, now);
    if (this.#looked.size <= MAX_ORGS) return;
    for (const oldest of this.#looked.keys()) {
      this.#looked.delete(oldest);
      return;
    }
  }

  async #sweep(org: string): Promise<void> {
    try {
      const { expired } = await this.#ledger.expireLeases(org, MOST);
      this.#observer?.leasesExpired(expired);
      if (expired > 0) this.#log.warn("leases expired and were charged", { expired });
      if (expired >= MOST) this.#looked.delete(org);
    } catch (error) {
      this.#log.warn("leases could not be swept", { error });
    }
  }
}

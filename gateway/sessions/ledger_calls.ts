/** The calls of the ledger that admission makes: timed, repeated, told of. @module */
import { type Clock, type Json, SynthError } from "@synth/core";
import type { AdmissionObserver, StoreOperation } from "./admission_observer.ts";
import type { Grant, Refusal, SessionLedger } from "./ledger/ledger.ts";
import type { Metric, ScopeKind } from "./limits.ts";

/** Milliseconds between the attempts to settle while the store is away. Together less than an edge keeps a promise for. */
const RETRY_MS: readonly number[] = [250, 1000, 4000];

/** The parts of {@linkcode LedgerCalls}. */
export interface LedgerCallsOptions {
  readonly ledger: SessionLedger;
  readonly clock: Clock;
  /** @default {nobody is told} */
  readonly observer?: AdmissionObserver;
}

/** Calls the ledger. */
export class LedgerCalls {
  readonly #options: LedgerCallsOptions;

  constructor(options: LedgerCallsOptions) {
    this.#options = options;
  }

  /** One call, and how long it took. */
  async timed<T>(
    operation: StoreOperation,
    step: (ledger: SessionLedger) => Promise<T>,
  ): Promise<T> {
    const { ledger, observer, clock } = this.#options;
    if (observer === undefined) return await step(ledger);
    const from = clock.monotonic();
    let failed = true;
    try {
      const result = await step(ledger);
      failed = false;
      return result;
    } finally {
      observer.storeTook(operation, clock.monotonic() - from, failed);
    }
  }

  /** Does what can be repeated until the store takes it: what was spent must not be lost to a hiccup. */
  async again<T>(
    operation: StoreOperation,
    step: (ledger: SessionLedger) => Promise<T>,
  ): Promise<T> {
    for (const delayMs of RETRY_MS) {
      try {
        return await this.timed(operation, step);
      } catch (error) {
        if (!isUnavailable(error) || isClosed(error)) throw error;
        await this.#options.clock.sleep(delayMs);
      }
    }
    return await this.timed(operation, step);
  }
}

/** Whether the store could not be reached. */
export function isUnavailable(error: unknown): error is SynthError {
  return error instanceof SynthError && error.code === "store_unavailable";
}

/** By ourselves: it will not come back. */
function isClosed(error: SynthError): boolean {
  return error.details["reason"] === "closed";
}

/** Puts into the log line where a request was booked, or would have been. */
export function note(
  fields: Record<string, Json> | undefined,
  leaseId: string,
  outcome: Grant | Refusal,
): void {
  if (fields === undefined) return;
  const session = outcome.granted ? outcome.lease.sessionId : outcome.sessionId;
  if (session !== null) fields["session"] = session;
  if (outcome.granted) fields["lease"] = leaseId;
}

/** A refusal as it is counted. */
export function refusedBy(refusal: Refusal): [ScopeKind, Metric | null, string] {
  if (!("limit" in refusal)) return ["session", null, refusal.reason];
  return [refusal.limit.scope, refusal.limit.metric, refusal.reason];
}

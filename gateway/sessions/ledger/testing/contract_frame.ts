/** The frame of the ledger's contract: a store, a clock, an org for each test. @module */
import { newId } from "@synth/core";
import { amounts } from "../../limits.ts";
import type { LeaseRef, OpenedSession, SessionLedger, SettleInput } from "../ledger.ts";
import { NO_DETAIL, spec } from "./samples.ts";

/** A store under test. */
export interface LedgerSubject extends AsyncDisposable {
  /** Several connections to one store; the first is used where one will do. */
  readonly ledgers: readonly SessionLedger[];
  /** Sets the store's clock for all of them. */
  setTime(ms: number): void;
  /** Drops the rows of leases, as their retention does. */
  forgetLeases(org: string, ids: readonly string[]): Promise<void>;
}

/** Registers one test. */
export type RegisterTest = (
  criterion: string,
  fn: (ledger: SessionLedger, org: string, subject: LedgerSubject) => Promise<void>,
) => void;

/** A few seconds of the store's time, so that windows and expiries are round. */
export const NOON = 1_750_000_020_000;

/** Tests of one adapter, each on a subject and in an org of its own. */
export function testsOf(name: string, open: () => Promise<LedgerSubject>): RegisterTest {
  return (criterion, fn) => {
    Deno.test(`${name} ${criterion}`, async () => {
      await using subject = await open();
      subject.setTime(NOON);
      const ledger = subject.ledgers[0];
      if (ledger === undefined) throw new Error("a subject has a ledger");
      await fn(ledger, newId("org_"), subject);
    });
  };
}

/** Opens a session of `user`. */
export function opened(
  ledger: SessionLedger,
  org: string,
  session = spec(),
  makeActive = true,
): Promise<OpenedSession> {
  return ledger.openSession({ org, user: "user", keyId: "k", makeActive, spec: session });
}

/** A settle that reports nothing. */
export function usageOf(lease: LeaseRef): SettleInput {
  return { lease, actual: amounts({}), detail: NO_DETAIL, remember: [] };
}

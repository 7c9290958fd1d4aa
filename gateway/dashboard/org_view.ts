/** What the dashboard shows of an org, read from the stores that there are. @module */
import type { Clock } from "@synth/core";
import type { KeyRecord, KeyStore } from "@synth/core/auth";
import type { ScopeState, Session, SessionLedger } from "../sessions/ledger/ledger.ts";
import { Coalesced } from "./coalesced.ts";
import { readSpend, type Spend } from "./spend.ts";
import type { TaskAppList, TaskAppSource } from "./task_apps.ts";

/** Milliseconds between two reads of what moves: sessions and the org's limits. */
export const LIVE_MS = 2000;
/** The same where every read is a request to a store far away. */
export const LIVE_EDGE_MS = 5000;
const SPEND_MS = 10_000;
const SLOW_MS = 30_000;
/** Sessions that are read, newest first. */
const SESSIONS = 100;
/** Open sessions of one status that are looked for in all: with so many there can be more. */
export const OPEN_SESSIONS = 150;
const KEYS = 100;

/** What moves. */
export interface LiveView {
  /** Newest first. */
  readonly sessions: readonly Session[];
  /** There are older ones. */
  readonly more: boolean;
  readonly org: ScopeState | null;
}

/** Keys, newest first. */
export interface KeyView {
  readonly keys: readonly KeyRecord[];
  readonly more: boolean;
}

/** All that the sections are made from. `null`: this gateway has nothing of the kind. */
export interface OrgView {
  readonly live: LiveView | null;
  /** Open sessions that are older than those of `live`. */
  readonly oldSessions: readonly Session[];
  readonly spend: Spend | null;
  /** `null` also for who may not see them. */
  readonly keys: KeyView | null;
  readonly taskApps: TaskAppList | null;
}

/** The parts of an {@linkcode OrgReader}. */
export interface OrgReaderOptions {
  readonly clock: Clock;
  readonly ledger: SessionLedger | null;
  readonly keys: KeyStore | null;
  readonly taskApps: TaskAppSource | null;
  /** See {@linkcode Coalesced}. */
  readonly shared: boolean;
}

/** Reads; all pages of an org share what was read. */
export class OrgReader {
  readonly #live: Coalesced<LiveView> | null;
  readonly #old: Coalesced<readonly Session[]> | null;
  readonly #spend: Coalesced<Spend> | null;
  readonly #keys: Coalesced<KeyView> | null;
  readonly #taskApps: Coalesced<TaskAppList | null> | null;

  constructor({ clock, ledger, keys, taskApps, shared }: OrgReaderOptions) {
    const every = { clock, shared };
    const liveMs = shared ? LIVE_MS : LIVE_EDGE_MS;
    this.#live = ledger === null
      ? null
      : new Coalesced({ ...every, intervalMs: liveMs, read: (org) => readLive(ledger, org) });
    this.#old = ledger === null ? null : new Coalesced({
      ...every,
      intervalMs: SLOW_MS,
      read: (org) => readOld(ledger, org),
    });
    this.#spend = ledger === null ? null : new Coalesced({
      ...every,
      intervalMs: shared ? SPEND_MS : SLOW_MS,
      read: (org, previous) =>
        readSpend((query) => ledger.listUsage(org, query), clock.now(), previous),
    });
    this.#keys = keys === null
      ? null
      : new Coalesced({ ...every, intervalMs: SLOW_MS, read: (org) => readKeys(keys, org) });
    this.#taskApps = taskApps === null ? null : new Coalesced({
      ...every,
      intervalMs: shared ? SPEND_MS : SLOW_MS,
      read: (org) => taskApps.list(org),
    });
  }

  /**
   * What is to be shown. At most one read of each kind in its interval for each org.
   *
   * @throws {SynthError} 503 when a store cannot answer
   */
  async view(org: string, options: { readonly withKeys: boolean }): Promise<OrgView> {
    const [live, spend, keys, taskApps] = await Promise.all([
      this.#live?.get(org) ?? null,
      this.#spend?.get(org) ?? null,
      options.withKeys ? this.#keys?.get(org) ?? null : null,
      this.#taskApps?.get(org) ?? null,
    ]);
    const oldSessions = live?.more === true ? await this.#old?.get(org) ?? [] : [];
    return { live, oldSessions, spend, keys, taskApps };
  }

  /** What an org's sessions were is no longer true. */
  changed(org: string): void {
    this.#live?.forget(org);
    this.#old?.forget(org);
  }
}

async function readLive(ledger: SessionLedger, org: string): Promise<LiveView> {
  const [sessions, whole] = await Promise.all([
    ledger.listSessions(org, { limit: SESSIONS }),
    ledger.scope({ org, kind: "org", id: org }),
  ]);
  return { sessions, more: sessions.length === SESSIONS, org: whole };
}

async function readOld(ledger: SessionLedger, org: string): Promise<readonly Session[]> {
  const [active, exceeded] = await Promise.all([
    ledger.listSessions(org, { status: "active", limit: OPEN_SESSIONS }),
    ledger.listSessions(org, { status: "limit_exceeded", limit: OPEN_SESSIONS }),
  ]);
  return [...active, ...exceeded].sort((a, b) => b.createdAt - a.createdAt);
}

async function readKeys(keys: KeyStore, org: string): Promise<KeyView> {
  const page = await keys.list(org, { limit: KEYS });
  return { keys: page.keys, more: page.cursor !== null };
}

/** Finds running task apps. @module */
import { type Clock, SecretSet, systemClock } from "@synth/core";
import { isSendableKey, type TaskAppStatus } from "../health.ts";
import type { ServiceRecord } from "../records/types.ts";
import {
  type BackendSourceOptions,
  findBackendTunnels,
  findRegisteredApps,
  type ScanBackend,
} from "./backend_sources.ts";
import { checkCandidate, type CheckOptions, uncheckedApp } from "./check_candidate.ts";
import { findTunnelProcesses, type RunningProcess } from "./cloudflared_processes.ts";
import { eachLimited } from "./each_limited.ts";
import { mergeCandidates, type MergedCandidate } from "./merge.ts";
import { findOpenPorts, type PortRange } from "./port_scan.ts";
import { recordCandidates } from "./record_sources.ts";
import { type ProcessStateOf, trustRecords } from "./record_trust.ts";
import { acceptsConnection, cloudflaredProcesses } from "./system.ts";
import type { Candidate, ScannedApp, ScanReport, ScanSummary, SourceFindings } from "./types.ts";

/** What {@linkcode scanTaskApps} looks at. Every member has a default; sources without what they need are left out. */
export interface ScanOptions {
  /** Local ports. `null`: none. @default {{ first: 8000, last: 8100 }} */
  readonly ports?: PortRange | null;
  /** Milliseconds for one HTTP request. @default {2_000} */
  readonly timeoutMs?: number;
  /** Milliseconds for one connection to a local port. @default {500} */
  readonly connectTimeoutMs?: number;
  /** Milliseconds for everything; what was not asked by then is reported as unreachable. @default {10_000} */
  readonly deadlineMs?: number;
  /** The task apps' key; see {@linkcode ScanOptions.sendKey} for who gets it. */
  readonly apiKey?: string | undefined;
  /**
   * Sends the key to everything that is found. Otherwise it goes to what stands in the records (on this machine: while the process of the record
   * runs), and to what said on loopback, without the key, that it is a task app. @default {false}
   */
  readonly sendKey?: boolean;
  /** Headers of Cloudflare Access; sent to managed tunnels of the records, with `sendKey` to all managed tunnels. */
  readonly accessHeaders?: Record<string, string> | undefined;
  /** Lists open ports on which something else answers, too. @default {false} */
  readonly all?: boolean;
  /** Reads the service records; stale ones are removed first. */
  readonly records?: ScanRecords | undefined;
  /** Asked for its tunnels and its registry. */
  readonly backend?: ScanBackend | undefined;
  /** `null`: processes are not looked at. @default {this machine's} */
  readonly processes?: ((signal: AbortSignal) => Promise<RunningProcess[]>) | null;
  /** @default {the addresses that cloudflared takes by itself} */
  readonly defaultMetrics?: readonly string[];
  /** Ends the scan early; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told what is going on, one line at a time. */
  readonly onProgress?: (line: string) => void;
  readonly fetch?: typeof fetch;
  readonly clock?: Clock;
}

/** The part of `ServiceRecords` that a scan uses. */
export interface ScanRecords {
  list(): Promise<ServiceRecord[]>;
  removeStale(): Promise<ServiceRecord[]>;
  /** Whether the process of a record runs. Without it no record of this machine is trusted. */
  processState?: ProcessStateOf;
}

const DEFAULT_PORTS: PortRange = { first: 8000, last: 8100 };
const REQUESTS_AT_ONCE = 32;

/**
 * Looks for task apps by six methods at once, asks each server that it found once, and gives one report.
 *
 * @throws the signal's reason, when it was aborted
 */
export async function scanTaskApps(options: ScanOptions = {}): Promise<ScanReport> {
  return await new Scan(options).run();
}

class Scan {
  readonly #options: ScanOptions;
  readonly #clock: Clock;
  readonly #fetch: typeof fetch;
  readonly #end = new AbortController();
  /** Aborted earlier: a backend that does not answer must leave time to ask what was found. */
  readonly #sourcesEnd = new AbortController();
  /** The ports were not all tried. */
  #portsLeft = false;

  constructor(options: ScanOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#fetch = options.fetch ?? fetch;
  }

  async run(): Promise<ScanReport> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const began = this.#clock.monotonic();
    const { deadlineMs = 10_000 } = this.#options;
    const onAbort = () => {
      this.#sourcesEnd.abort();
      this.#end.abort();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const stops = [
      this.#clock.after(deadlineMs, onAbort),
      this.#clock.after(Math.min(5_000, deadlineMs / 2), () => this.#sourcesEnd.abort()),
    ];
    try {
      const found = await this.#collect();
      const merged = mergeCandidates(found.candidates);
      this.#say(`${merged.length} servers to ask`);
      const apps = await this.#check(merged);
      signal?.throwIfAborted();
      const shown = apps.filter((app) => app.is_task_app || this.#options.all === true);
      return {
        apps: shown,
        scan_summary: summaryOf(shown, apps.length - shown.length),
        schema_version: 1,
        complete: !this.#end.signal.aborted && !this.#portsLeft,
        duration_ms: Math.round(this.#clock.monotonic() - began),
        warnings: [...this.#keyWarnings(), ...found.warnings],
      };
    } finally {
      for (const stop of stops) stop();
      signal?.removeEventListener("abort", onAbort);
      // What still waits for an answer nobody needs any more.
      onAbort();
    }
  }

  /** All sources at once; their candidates in the order of the original: ports, tunnels, records, registry. */
  async #collect(): Promise<{ candidates: Candidate[]; warnings: string[] }> {
    const sources = [
      this.#ports(),
      this.#processes(),
      ...this.#backend(),
      this.#records(),
    ];
    const findings = await Promise.all(sources.map((source) => this.#inTime(source)));
    const order = findings.flatMap(({ candidates }) => candidates);
    return { candidates: order, warnings: findings.flatMap(({ warnings }) => warnings) };
  }

  /** A source that does not heed the deadline does not hold up the others. */
  async #inTime(source: Promise<SourceFindings>): Promise<SourceFindings> {
    const late = Promise.withResolvers<SourceFindings>();
    const onAbort = () =>
      late.resolve({ candidates: [], warnings: ["A source did not answer in time"] });
    this.#end.signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([source, late.promise]);
    } finally {
      this.#end.signal.removeEventListener("abort", onAbort);
    }
  }

  async #ports(): Promise<SourceFindings> {
    const { ports = DEFAULT_PORTS, connectTimeoutMs = 500 } = this.#options;
    if (ports === null) return { candidates: [], warnings: [] };
    this.#say(`Ports ${ports.first} to ${ports.last}`);
    const connect = (host: string, port: number) =>
      acceptsConnection(host, port, connectTimeoutMs, this.#sourcesEnd.signal);
    const open = await findOpenPorts(ports, connect, this.#sourcesEnd.signal);
    this.#say(`${open.length} open ports`);
    this.#portsLeft = this.#sourcesEnd.signal.aborted;
    const warnings = this.#portsLeft
      ? ["Not all ports were tried in time: name fewer, or give a longer deadline"]
      : [];
    const candidates = open.map(({ port, url }): Candidate => ({
      url,
      via: "port_scan",
      type: "local",
      port,
      mode: null,
      hostname: null,
      appId: null,
      metadata: {},
      trusted: false,
      recordId: null,
    }));
    return { candidates, warnings };
  }

  async #processes(): Promise<SourceFindings> {
    const { processes = cloudflaredProcesses, timeoutMs = 2_000, defaultMetrics } = this.#options;
    if (processes === null) return { candidates: [], warnings: [] };
    const found = await findTunnelProcesses({
      processes,
      timeoutMs,
      fetch: this.#fetch,
      clock: this.#clock,
      signal: this.#sourcesEnd.signal,
      ...(defaultMetrics === undefined ? {} : { defaultMetrics }),
    });
    this.#say(`${found.candidates.length} tunnels of running processes`);
    return found;
  }

  #backend(): Promise<SourceFindings>[] {
    const { backend } = this.#options;
    if (backend === undefined) return [];
    const options: BackendSourceOptions = {
      backend,
      fetch: this.#fetch,
      signal: this.#sourcesEnd.signal,
    };
    return [
      findBackendTunnels(options).then((found) => this.#told(found, "tunnels of the backend")),
      findRegisteredApps(options).then((found) => this.#told(found, "registered task apps")),
    ];
  }

  async #records(): Promise<SourceFindings> {
    const { records } = this.#options;
    if (records === undefined) return { candidates: [], warnings: [] };
    try {
      const gone = await records.removeStale();
      if (gone.length > 0) this.#say(`${gone.length} records of services that ended were removed`);
      const kept = await records.list();
      const candidates = await trustRecords(
        recordCandidates(kept),
        kept,
        (record) => records.processState?.(record) ?? Promise.resolve("unknown"),
      );
      return this.#told({ candidates, warnings: [] }, "service records");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { candidates: [], warnings: [`The service records could not be read: ${why}`] };
    }
  }

  async #check(candidates: readonly MergedCandidate[]): Promise<ScannedApp[]> {
    const { backend, sendKey = false, accessHeaders, timeoutMs = 2_000 } = this.#options;
    // The app says itself, then, that it wants another one.
    const apiKey = this.#keyWarnings().length > 0 ? undefined : this.#options.apiKey;
    const secrets = [this.#options.apiKey, backend?.apiKey, ...Object.values(accessHeaders ?? {})];
    const options: CheckOptions = {
      apiKey,
      sendKey,
      accessHeaders,
      secrets: new SecretSet(secrets.filter((secret) => secret !== undefined)),
      timeoutMs,
      fetch: this.#fetch,
      clock: this.#clock,
      signal: this.#end.signal,
    };
    // What others name comes last: a thousand dead entries of a registry must not use up the time for our own.
    const order = candidates.toSorted((a, b) => Number(isForeign(a)) - Number(isForeign(b)));
    const asked = new Map<MergedCandidate, ScannedApp>();
    await eachLimited(order, REQUESTS_AT_ONCE, this.#end.signal, async (candidate) => {
      const app = await checkCandidate(candidate, options);
      this.#say(`${app.url}: ${app.is_task_app ? app.status : "something else"}`);
      asked.set(candidate, app);
    });
    return candidates.map((candidate) => asked.get(candidate) ?? uncheckedApp(candidate));
  }

  #keyWarnings(): string[] {
    const { apiKey } = this.#options;
    if (!apiKey || isSendableKey(apiKey)) return [];
    return ["The task apps' key was not sent: it must be ASCII without control characters"];
  }

  #told(found: SourceFindings, what: string): SourceFindings {
    this.#say(`${found.candidates.length} ${what}`);
    return found;
  }

  #say(line: string): void {
    this.#options.onProgress?.(line);
  }
}

/** Found neither on this machine nor in our own records. */
function isForeign({ sources }: MergedCandidate): boolean {
  return sources.every((source) => source === "registry" || source === "backend_api");
}

function summaryOf(apps: readonly ScannedApp[], others: number): ScanSummary {
  const count = (test: (app: ScannedApp) => boolean) => apps.filter(test).length;
  const ofStatus = (status: TaskAppStatus) => count((app) => app.status === status);
  return {
    total_found: apps.length,
    healthy: count(({ health_status }) => health_status === "healthy"),
    unhealthy: count(({ health_status }) => health_status === "unhealthy"),
    local_count: count(({ type }) => type === "local"),
    cloudflare_count: count(({ type }) => type === "cloudflare"),
    unknown: count(({ health_status }) => health_status === "unknown"),
    statuses: {
      healthy: ofStatus("healthy"),
      degraded: ofStatus("degraded"),
      unhealthy: ofStatus("unhealthy"),
      unauthorized: ofStatus("unauthorized"),
      unreachable: ofStatus("unreachable"),
    },
    other_servers: others,
  };
}

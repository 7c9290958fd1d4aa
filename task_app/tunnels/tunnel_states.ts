/** What became of the tunnels that were recorded. @module */
import { type Clock, SynthError, systemClock } from "@synth/core";
import { endProcess } from "../processes/end_process.ts";
import { boundLogFile } from "../processes/log_file.ts";
import { type ProcessProbe, systemProcesses } from "../records/process_identity.ts";
import { ServiceRecords } from "../records/service_records.ts";
import type { ServiceRecord, TunnelServiceRecord } from "../records/types.ts";
import { isQuickName, quickHostname, readyConnections } from "./cloudflared/metrics_client.ts";
import { removeTunnelFiles, tunnelFiles } from "./tunnel_files.ts";

/** Milliseconds between SIGTERM, on which it lets open requests finish, and SIGKILL. */
export const GRACE_MS = 5_000;

/**
 * How a tunnel is. `opening`: its program runs and it has no name yet; `connected`, `disconnected`: whether it has a connection to the edge;
 * `running`: its program runs and does not say; `ended`: its program is gone; `unknown`: nobody can tell from here.
 */
export type TunnelState =
  | "opening"
  | "connected"
  | "disconnected"
  | "running"
  | "ended"
  | "unknown";

/** A tunnel and how it is now. */
export interface TunnelStatus {
  readonly record: TunnelServiceRecord;
  readonly state: TunnelState;
  /** To the edge; `null` when its program does not say. */
  readonly connections: number | null;
  /** Where its program writes, whatever its record says. */
  readonly logFile: string;
}

/** What can be replaced. */
export interface TunnelStatesOptions {
  /** The directory of the state. */
  readonly home: string;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** @default {this machine's} */
  readonly processes?: ProcessProbe;
}

/** The tunnels of this user, whichever process has opened them. */
export class TunnelStates {
  readonly #home: string;
  readonly #clock: Clock;
  readonly #fetch: typeof globalThis.fetch;
  readonly #processes: ProcessProbe;
  readonly #records: ServiceRecords;

  constructor(options: TunnelStatesOptions) {
    this.#home = options.home;
    this.#clock = options.clock ?? systemClock;
    this.#fetch = options.fetch ?? globalThis.fetch;
    this.#processes = options.processes ?? systemProcesses;
    this.#records = new ServiceRecords({
      home: options.home,
      clock: this.#clock,
      processes: this.#processes,
    });
  }

  /** Every recorded tunnel, also those that ended: their records go when they are closed, or by a scan. */
  async list(): Promise<TunnelStatus[]> {
    const tunnels = (await this.#records.list()).filter(isTunnel);
    return await Promise.all(tunnels.map((record) => this.#look(record)));
  }

  /** One of them. @throws {SynthError} `tunnel_not_found`, exit code 3 */
  async get(id: string): Promise<TunnelStatus> {
    return await this.#look(await this.#find(id));
  }

  /**
   * Ends a tunnel and removes its record and files. Nothing but the very process that was recorded is ever signalled.
   *
   * @returns `gone` when its program had ended before
   * @throws {SynthError} `tunnel_not_found` (exit code 3), `process_unknown`, `process_not_ended`
   */
  async close(id: string): Promise<"closed" | "gone"> {
    const record = await this.#find(id);
    // Told first: whoever is opening it must not take its end for a failure and try again.
    await this.#records.update(record.id, (old) => Object.assign({ ...old }, { closing: true }));
    const { pid, pid_started, pid_scope } = record;
    const ended = pid === null ? "gone" : await endProcess({ pid, pid_started, pid_scope }, {
      processes: this.#processes,
      clock: this.#clock,
      graceMs: GRACE_MS,
    });
    await this.#records.remove(record.id);
    await removeTunnelFiles(this.#home, record.id);
    return ended === "gone" ? "gone" : "closed";
  }

  async #find(id: string): Promise<TunnelServiceRecord> {
    const record = await this.#records.get(id);
    if (record !== undefined && isTunnel(record)) return record;
    throw new SynthError(`There is no tunnel ${JSON.stringify(id)}`, {
      code: "tunnel_not_found",
      status: 404,
      hint: "synth tunnel list shows the tunnels and their ids",
    });
  }

  async #look(record: TunnelServiceRecord): Promise<TunnelStatus> {
    // Not the record's word for it: a file that it names by mistake would be cut.
    const logFile = tunnelFiles(this.#home, record.id).log;
    const process = await this.#records.processState(record);
    if (process === "gone") return { record, state: "ended", connections: null, logFile };
    if (process === "unknown") return { record, state: "unknown", connections: null, logFile };
    await boundLogFile(logFile).catch(() => {});
    const url = loopback(record.metrics_url);
    if (url === null) return { record, state: "running", connections: null, logFile };
    const asked = { url, clock: this.#clock, fetch: this.#fetch };
    const connections = await readyConnections(asked);
    const named = record.hostname === "" ? await this.#named(record, asked) : record;
    return { record: named, state: stateOf(named, connections), connections, logFile };
  }

  /** Whoever opened it may have been killed before the name was known. */
  async #named(
    record: TunnelServiceRecord,
    asked: Parameters<typeof quickHostname>[0],
  ): Promise<TunnelServiceRecord> {
    const hostname = await quickHostname(asked);
    // The key goes there: as when it is opened, to no name that another server on that port has made up.
    if (hostname === null || !isQuickName(hostname)) return record;
    const changed = { hostname, url: `https://${hostname}` };
    await this.#records.update(record.id, (old) => ({ ...old, ...changed }));
    return { ...record, ...changed };
  }
}

function stateOf({ hostname }: TunnelServiceRecord, connections: number | null): TunnelState {
  if (hostname === "") return "opening";
  if (connections === null) return "running";
  return connections > 0 ? "connected" : "disconnected";
}

function isTunnel(record: ServiceRecord): record is TunnelServiceRecord {
  return record.type === "tunnel";
}

/** Records can be written by others: only what is on this machine is asked. */
function loopback(text: string | undefined): string | null {
  const url = text === undefined ? null : URL.parse(text);
  return url?.protocol === "http:" && url.hostname === "127.0.0.1" ? url.origin : null;
}

/** Whether somebody is ending the tunnel of a record. */
export function isClosing(record: ServiceRecord): boolean {
  return Object.hasOwn(record, "closing");
}

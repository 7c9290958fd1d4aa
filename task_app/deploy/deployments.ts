/** What became of deployments, and how they end. @module */
import { type Clock, EXIT, type Logger, SynthError, systemClock } from "@synth/core";
import { checkTaskAppHealth, type TaskAppStatus } from "../health.ts";
import { endProcess } from "../processes/end_process.ts";
import { boundLogFile } from "../processes/log_file.ts";
import { type ProcessProbe, systemProcesses } from "../records/process_identity.ts";
import { ServiceRecords } from "../records/service_records.ts";
import type { DeploymentServiceRecord, ServiceRecord } from "../records/types.ts";
import { TunnelStates, type TunnelStatus } from "../tunnels/tunnel_states.ts";
import { deploymentFiles, removeDeploymentFiles } from "./deployment_files.ts";
import type { ModalCli } from "./modal_cli.ts";
import type { WranglerCli } from "./wrangler_cli.ts";

/** Milliseconds that an app has to finish what it does. */
const GRACE_MS = 10_000;
const HEALTH_MS = 5_000;

/**
 * How a deployment is. `starting`: its process runs, or its upload has begun, and it was not seen to answer; `running`; `unhealthy`: it runs, and `/health` says no or nothing;
 * `tunnel_down`: the app runs, its tunnel does not; `ended`: its process is gone; `deployed`, `stopped`: what its platform says; `unknown`: nobody
 * can tell from here.
 */
export type DeploymentState =
  | "starting"
  | "running"
  | "unhealthy"
  | "tunnel_down"
  | "ended"
  | "deployed"
  | "stopped"
  | "unknown";

/** A deployment and how it is now. */
export interface DeploymentStatus {
  readonly record: DeploymentServiceRecord;
  readonly state: DeploymentState;
  /** What `/health` says; `null` when it was not asked. */
  readonly health: TaskAppStatus | null;
  /** Tunnels to it. */
  readonly tunnels: readonly TunnelStatus[];
}

/** The programs of platforms, made when one is needed. They may throw when there is none. */
export interface Platforms {
  readonly modal: (record: DeploymentServiceRecord) => Promise<ModalCli>;
  readonly wrangler: (record: DeploymentServiceRecord) => Promise<WranglerCli>;
}

/** What can be replaced. */
export interface DeploymentsOptions {
  /** The directory of the state. */
  readonly home: string;
  readonly platforms: Platforms;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Told of records that were not readable and were put aside. @default {nobody} */
  readonly log?: Logger;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** @default {this machine's} */
  readonly processes?: ProcessProbe;
}

/** The deployments of this user, whichever process has made them. */
export class Deployments {
  readonly #options: DeploymentsOptions;
  readonly #clock: Clock;
  readonly #processes: ProcessProbe;
  readonly #records: ServiceRecords;
  readonly #tunnels: TunnelStates;

  constructor(options: DeploymentsOptions) {
    const { home, clock = systemClock, processes = systemProcesses } = options;
    this.#options = options;
    this.#clock = clock;
    this.#processes = processes;
    const log = options.log === undefined ? {} : { log: options.log };
    this.#records = new ServiceRecords({ home, clock, processes, ...log });
    const fetch = options.fetch ?? globalThis.fetch;
    this.#tunnels = new TunnelStates({ home, clock, processes, fetch });
  }

  /** Every recorded deployment, also those that ended. No container is woken for the answer. */
  async list(signal: AbortSignal): Promise<DeploymentStatus[]> {
    const records = (await this.#records.list()).filter(isDeployment);
    const tunnels = await this.#tunnels.list();
    return await Promise.all(records.map((record) => this.#look(record, tunnels, signal)));
  }

  /**
   * One of them, by its id or its name; what runs on this machine is asked for its health. One that refuses the key runs: its own may be another.
   *
   * @throws {SynthError} `deployment_not_found` (exit code 3), `deployment_ambiguous` (2)
   */
  async get(
    idOrName: string,
    options: { readonly apiKey?: string | undefined; readonly signal: AbortSignal },
  ): Promise<DeploymentStatus> {
    const record = await this.find(idOrName);
    const status = await this.#look(record, await this.#tunnels.list(), options.signal);
    const { port, pid } = record;
    if (status.state !== "running" || port === null || pid === null) return status;
    const health = await this.#health(`http://127.0.0.1:${port}`, options.apiKey, options.signal);
    const runs = isWell(health) || health === "unauthorized";
    return { ...status, health, state: runs ? "running" : "unhealthy" };
  }

  /** Its record alone. @throws as {@linkcode get} */
  async find(idOrName: string): Promise<DeploymentServiceRecord> {
    const records = (await this.#records.list()).filter(isDeployment);
    const byId = records.find(({ id }) => id === idOrName);
    const named = byId === undefined ? records.filter(({ name }) => name === idOrName) : [byId];
    const [record] = named;
    if (named.length > 1) {
      throw new SynthError(`Several deployments are called ${JSON.stringify(idOrName)}`, {
        code: "deployment_ambiguous",
        status: 409,
        exitCode: EXIT.usage,
        hint: `Name one by its id: ${named.map(({ id }) => id).join(", ")}`,
      });
    }
    if (record !== undefined) return record;
    throw new SynthError(`There is no deployment ${JSON.stringify(idOrName)}`, {
      code: "deployment_not_found",
      status: 404,
      hint: "synth deploy list shows the deployments and their ids",
    });
  }

  /**
   * Ends a deployment, its tunnels first, and removes its record and files. Only the very process that was recorded is signalled.
   *
   * @returns `gone` when it had ended before
   * @throws {SynthError} as {@linkcode get}; `process_unknown`, `process_not_ended`, `deployment_not_stoppable`, what the platform's program says
   */
  async stop(idOrName: string, signal: AbortSignal): Promise<"stopped" | "gone"> {
    const record = await this.find(idOrName);
    for (const tunnel of tunnelsOf(record, await this.#tunnels.list())) {
      await this.#closeTunnel(tunnel.record.id);
    }
    const process = await this.#endProcess(record);
    const platform = await this.#endOnPlatform(record, signal);
    await this.#remove(record);
    return process === "gone" && platform !== "stopped" ? "gone" : "stopped";
  }

  /** Removes the record and the files of a deployment that cannot be ended from here, and leaves the deployment as it is. */
  async forget(idOrName: string): Promise<DeploymentServiceRecord> {
    const record = await this.find(idOrName);
    await this.#remove(record);
    return record;
  }

  async #remove({ id }: DeploymentServiceRecord): Promise<void> {
    await this.#records.remove(id);
    await removeDeploymentFiles(this.#options.home, id);
  }

  async #endProcess({ pid, pid_started, pid_scope }: DeploymentServiceRecord) {
    if (pid === null) return "none";
    return await endProcess({ pid, pid_started, pid_scope }, {
      processes: this.#processes,
      clock: this.#clock,
      graceMs: GRACE_MS,
    });
  }

  async #endOnPlatform(record: DeploymentServiceRecord, signal: AbortSignal) {
    const { modal, wrangler } = this.#options.platforms;
    // Never by the name that its user gave it: at the platform that may be another app's.
    const name = record.external_id;
    if (record.target === "deno-deploy") {
      throw new SynthError("Deno Deploy has no command that stops an app", {
        code: "deployment_not_stoppable",
        hint:
          `Delete the app at console.deno.com, then run synth deploy stop ${record.id} --forget`,
      });
    }
    if (name === undefined) return "none";
    if (record.target === "modal") await (await modal(record)).stop(name, signal);
    else if (record.target === "worker") {
      const { directory } = deploymentFiles(this.#options.home, record.id);
      const config = `${directory}/wrangler.jsonc`;
      const there = await Deno.stat(config).then(() => config, () => null);
      await (await wrangler(record)).delete(name, there, signal);
    } else return "none";
    return "stopped";
  }

  async #closeTunnel(id: string): Promise<void> {
    try {
      await this.#tunnels.close(id);
    } catch (error) {
      if (!(error instanceof SynthError) || error.code !== "tunnel_not_found") throw error;
    }
  }

  async #look(
    record: DeploymentServiceRecord,
    all: readonly TunnelStatus[],
    signal: AbortSignal,
  ): Promise<DeploymentStatus> {
    const tunnels = tunnelsOf(record, all);
    const plain = { record, tunnels, health: null };
    if (record.pid !== null) {
      // Its own, whatever its record says: nothing else is cut.
      const { log } = deploymentFiles(this.#options.home, record.id);
      await boundLogFile(log).catch(() => {});
      return { ...plain, state: await this.#processState(record, tunnels) };
    }
    if (record.phase !== undefined) return { ...plain, state: "starting" };
    if (record.target === "modal") return { ...plain, state: await this.#modal(record, signal) };
    const health = await this.#health(record.url, undefined, signal);
    if (isWell(health) || health === "unauthorized") return { ...plain, health, state: "deployed" };
    return { ...plain, health, state: health === "unreachable" ? "unknown" : "unhealthy" };
  }

  async #processState(
    record: DeploymentServiceRecord,
    tunnels: readonly TunnelStatus[],
  ): Promise<DeploymentState> {
    const process = await this.#records.processState(record);
    if (process !== "running") return process === "gone" ? "ended" : "unknown";
    if (record.phase !== undefined) return "starting";
    const isDown = ({ state }: TunnelStatus) => state === "ended" || state === "disconnected";
    const down = tunnels.length === 0 || tunnels.some(isDown);
    return record.target === "tunnel" && down ? "tunnel_down" : "running";
  }

  async #modal(record: DeploymentServiceRecord, signal: AbortSignal): Promise<DeploymentState> {
    const name = record.external_id;
    if (name === undefined) return "unknown";
    try {
      const state = await (await this.#options.platforms.modal(record)).state(name, signal);
      return state === "up" ? "deployed" : state;
    } catch {
      signal.throwIfAborted();
      return "unknown";
    }
  }

  async #health(
    url: string,
    apiKey: string | undefined,
    signal: AbortSignal,
  ): Promise<TaskAppStatus> {
    const { status } = await checkTaskAppHealth(url, {
      apiKey,
      info: false,
      signal,
      timeoutMs: HEALTH_MS,
      clock: this.#clock,
      fetch: this.#options.fetch ?? globalThis.fetch,
    });
    return status;
  }
}

/** Tunnels that were opened for a deployment. */
function tunnelsOf(
  record: DeploymentServiceRecord,
  all: readonly TunnelStatus[],
): TunnelStatus[] {
  return all.filter((tunnel) => tunnel.record.service_id === record.id);
}

function isDeployment(record: ServiceRecord): record is DeploymentServiceRecord {
  return record.type === "deployment";
}

function isWell(health: TaskAppStatus): boolean {
  return health === "healthy" || health === "degraded";
}

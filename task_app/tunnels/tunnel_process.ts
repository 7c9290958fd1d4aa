/** One `cloudflared` of ours, with its record and its files. @module */
import { type Clock, type Logger, newId } from "@synth/core";
import type { DetachedProcess } from "../processes/detached_process.ts";
import { boundLogFile, readLogTail } from "../processes/log_file.ts";
import type { ServiceRecords } from "../records/service_records.ts";
import type { CommandRunner } from "./cloudflared/command_runner.ts";
import { freePort } from "./cloudflared/free_port.ts";
import { type LogVerdict, readLog } from "./cloudflared/read_log.ts";
import type { TunnelMode } from "./port.ts";
import { GRACE_MS, isClosing } from "./tunnel_states.ts";
import { tunnelEnded } from "./tunnel_errors.ts";
import {
  makeTunnelFiles,
  pruneTunnelFiles,
  removeTunnelFiles,
  type TunnelFiles,
} from "./tunnel_files.ts";

/** Milliseconds between two looks at the size of the log. */
const LOG_CHECK_MS = 10_000;

/** What is started, and with what. */
export interface TunnelProcessOptions {
  readonly home: string;
  readonly program: string;
  readonly mode: TunnelMode;
  /** Public name, when it is known before. */
  readonly hostname: string | null;
  readonly host: string;
  readonly port: number;
  readonly serviceId: string | undefined;
  readonly arguments: (files: TunnelFiles, metricsPort: number) => string[];
  /** The child's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly runner: CommandRunner;
  readonly records: ServiceRecords;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A running `cloudflared`. It is recorded before anything is asked of it: whoever comes after us can find and end it. */
export class TunnelProcess {
  /** Id of its record. */
  readonly id: string;
  readonly files: TunnelFiles;
  /** Of its metrics server. */
  readonly metricsUrl: string;
  readonly child: DetachedProcess;
  /** Aborted, with an error that says why, when it has ended. */
  readonly ended: AbortSignal;
  readonly #options: TunnelProcessOptions;
  #closing: Promise<void> | null = null;
  #cancelCheck: () => void = () => {};

  private constructor(
    options: TunnelProcessOptions,
    own: Pick<TunnelProcess, "id" | "files" | "metricsUrl" | "child">,
  ) {
    this.#options = options;
    this.id = own.id;
    this.files = own.files;
    this.metricsUrl = own.metricsUrl;
    this.child = own.child;
    const ended = new AbortController();
    this.ended = ended.signal;
    void this.child.exited.then(async (exit) => {
      this.#cancelCheck();
      ended.abort(tunnelEnded(exit, await this.verdict()));
    });
    this.#checkLog();
  }

  /** Starts one. When this fails, nothing is left of it. @throws {SynthError} `program_not_runnable`, what the records throw */
  static async start(options: TunnelProcessOptions): Promise<TunnelProcess> {
    const { home, records, runner, clock } = options;
    const id = newId("svc_");
    const known = new Set((await records.list()).map((record) => record.id));
    await pruneTunnelFiles(home, known, clock.now());
    const files = await makeTunnelFiles(home, id);
    let child: DetachedProcess | null = null;
    try {
      const metricsPort = freePort();
      const metricsUrl = `http://127.0.0.1:${metricsPort}`;
      child = await runner.start({
        program: options.program,
        args: options.arguments(files, metricsPort),
        env: options.env,
        cwd: home,
        logFile: files.log,
      });
      await record(options, { id, files, metricsUrl, pid: child.pid });
      return new TunnelProcess(options, { id, files, metricsUrl, child });
    } catch (error) {
      await child?.end({ clock, graceMs: GRACE_MS });
      await removeTunnelFiles(home, id);
      throw error;
    }
  }

  /** What its log says. */
  async verdict(): Promise<LogVerdict> {
    return readLog(await readLogTail(this.files.log).catch(() => ""));
  }

  /** Puts the public name into its record. */
  async named(hostname: string): Promise<void> {
    const { records } = this.#options;
    const found = await records.update(
      this.id,
      (old) => old.type === "tunnel" ? { ...old, hostname, url: `https://${hostname}` } : old,
    );
    // Someone has closed it: what they ended must not live on without a record.
    if (found === undefined) {
      await this.child.end({ clock: this.#options.clock, graceMs: GRACE_MS });
    }
  }

  /** Whether another process has closed it, or is about to. */
  async wasClosed(): Promise<boolean> {
    const found = await this.#options.records.get(this.id).catch(() => null);
    return found === undefined || (found !== null && isClosing(found));
  }

  /** Ends it and removes all that was made for it. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async #close(): Promise<void> {
    const { clock, records, home } = this.#options;
    this.#cancelCheck();
    // Its record goes last: while it runs somebody has to be able to find it.
    await this.child.end({ clock, graceMs: GRACE_MS });
    this.#cancelCheck();
    await records.remove(this.id);
    await removeTunnelFiles(home, this.id);
  }

  #checkLog(): void {
    const { clock, log } = this.#options;
    this.#cancelCheck = clock.after(LOG_CHECK_MS, () => {
      boundLogFile(this.files.log).then((cut) => {
        if (cut) log.warn("the tunnel's log grew too long and was cut", { tunnel: this.id });
        if (!this.ended.aborted && this.#closing === null) this.#checkLog();
      }, () => {});
    });
  }
}

async function record(
  { records, mode, hostname, host, port, serviceId }: TunnelProcessOptions,
  { id, files, metricsUrl, pid }: {
    readonly id: string;
    readonly files: TunnelFiles;
    readonly metricsUrl: string;
    readonly pid: number;
  },
): Promise<void> {
  await records.add({
    id,
    type: "tunnel",
    mode,
    // Until it has a public name it is known by where it leads.
    url: hostname === null ? `http://${host}:${port}` : `https://${hostname}`,
    hostname: hostname ?? "",
    port,
    local_host: host,
    pid,
    log_file: files.log,
    metrics_url: metricsUrl,
    ...(serviceId === undefined ? {} : { service_id: serviceId }),
  });
}

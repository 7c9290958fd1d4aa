/** The records of what runs, shared by every process of a user. @module */
import {
  type Clock,
  EXIT,
  type Logger,
  newId,
  silentLogger,
  SynthError,
  systemClock,
} from "@synth/core";
import { makePrivateDirectory, readTextFile, replacePrivateFile } from "@synth/core/platform";
import { formatRecords, parseRecords, type RecordsFile } from "./file_format.ts";
import { lockFile } from "./file_lock.ts";
import { type ProcessProbe, type ProcessState, systemProcesses } from "./process_identity.ts";
import type { NewServiceRecord, ServiceRecord } from "./types.ts";

/** Name of the file in the directory of the state. */
export const RECORDS_FILE = "services.json";

const LOCK_DEADLINE_MS = 10_000;

/** How the records are kept. */
export interface ServiceRecordsOptions {
  /** The directory of the state (`SYNTH_HOME`); made, for its owner alone, when it is missing. */
  readonly home: string;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** Told of files that were put aside and of records that were removed. */
  readonly log?: Logger;
  /** @default {this machine's} */
  readonly processes?: ProcessProbe;
  /** Milliseconds to wait for other processes. @default {10_000} */
  readonly lockDeadlineMs?: number;
  /** Replaces a file, whole or not at all. @default {a new file of mode 0600, synced and renamed} */
  readonly replace?: (path: string, text: string) => Promise<void>;
}

/**
 * One file for all processes of a user: each change reads, changes and replaces it under a lock that dies with its holder.
 * Every method throws `records_unwritable`, `records_too_new` or `records_locked`; the file is then as it was.
 */
export class ServiceRecords {
  readonly #home: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #processes: ProcessProbe;
  readonly #lockDeadlineMs: number;
  readonly #replace: (path: string, text: string) => Promise<void>;

  constructor(options: ServiceRecordsOptions) {
    this.#home = options.home;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLogger;
    this.#processes = options.processes ?? systemProcesses;
    this.#lockDeadlineMs = options.lockDeadlineMs ?? LOCK_DEADLINE_MS;
    this.#replace = options.replace ?? replacePrivateFile;
  }

  /** Where the records lie. */
  get path(): string {
    return `${this.#home}/${RECORDS_FILE}`;
  }

  /** Every record, in the order in which they were written. */
  async list(): Promise<ServiceRecord[]> {
    const outcome = parseRecords(await this.#text());
    if (outcome.kind === "read") return [...outcome.file.records];
    if (outcome.kind === "newer") throw this.#tooNew(outcome.version);
    // Under the lock, for another process may be at it: what is not readable is put aside.
    return await this.#change((file) => ({ file: null, result: [...file.records] }));
  }

  /** A record by its id. */
  async get(id: string): Promise<ServiceRecord | undefined> {
    return (await this.list()).find((record) => record.id === id);
  }

  /** Writes a record; one of the same id is replaced. The start of its process is asked now. */
  async add(fresh: NewServiceRecord): Promise<ServiceRecord> {
    const pid = fresh.pid ?? null;
    const process = pid === null
      ? { pid: null, pid_started: null, pid_scope: null }
      : await this.#processes.identify(pid);
    const record: ServiceRecord = {
      ...fresh,
      id: fresh.id ?? newId("svc_"),
      created_at: new Date(this.#clock.now()).toISOString(),
      ...process,
    };
    return await this.#change((file) => ({
      file: { ...file, records: [...file.records.filter(({ id }) => id !== record.id), record] },
      result: record,
    }));
  }

  /**
   * Changes a record; one that is gone stays gone.
   *
   * @returns the new record, `undefined` when there is none of this id
   */
  async update(
    id: string,
    change: (record: ServiceRecord) => ServiceRecord,
  ): Promise<ServiceRecord | undefined> {
    return await this.#change((file) => {
      const at = file.records.findIndex((record) => record.id === id);
      const old = file.records[at];
      if (old === undefined) return { file: null, result: undefined };
      const result = { ...change(old), id };
      return { file: { ...file, records: file.records.with(at, result) }, result };
    });
  }

  /** Removes a record. @returns whether there was one */
  async remove(id: string): Promise<boolean> {
    return await this.#change((file) => {
      const records = file.records.filter((record) => record.id !== id);
      const found = records.length !== file.records.length;
      return { file: found ? { ...file, records } : null, result: found };
    });
  }

  /** Whether the process of a record runs; `unknown` for a record without one. */
  async processState(record: ServiceRecord): Promise<ProcessState> {
    if (record.pid === null) return "unknown";
    const { pid, pid_started, pid_scope } = record;
    return await this.#processes.state({ pid, pid_started, pid_scope });
  }

  /**
   * Removes the records whose process is provably gone, but for deployments: what they have left (a log, a tunnel) is found by their record, and
   * `synth deploy stop` removes both.
   *
   * @returns what was removed
   */
  async removeStale(): Promise<ServiceRecord[]> {
    const stale = new Map<string, ServiceRecord>();
    for (const record of await this.list()) {
      if (record.type === "deployment") continue;
      if (await this.processState(record) === "gone") stale.set(record.id, record);
    }
    if (stale.size === 0) return [];
    const removed = await this.#change((file) => {
      // A record that was written anew in the meantime is another one.
      const isStale = (record: ServiceRecord) => {
        const seen = stale.get(record.id);
        return seen?.pid === record.pid && seen.pid_started === record.pid_started;
      };
      const result = file.records.filter(isStale);
      const records = file.records.filter((record) => !isStale(record));
      return { file: result.length === 0 ? null : { ...file, records }, result };
    });
    for (const { id, type, pid } of removed) {
      this.#log.info("removed the record of a service that ended", { service: id, type, pid });
    }
    return removed;
  }

  async #text(): Promise<string> {
    try {
      return await readTextFile(this.path) ?? "";
    } catch (error) {
      // Bytes that are no text: told like any other file that is not ours, once the lock is held.
      if (error instanceof TypeError || error instanceof Deno.errors.InvalidData) return "\0";
      throw this.#unusable("read", error);
    }
  }

  /** @param change gives the new file, `null` to leave it as it is */
  async #change<T>(
    change: (file: RecordsFile) => { file: RecordsFile | null; result: T },
  ): Promise<T> {
    using _lock = await this.#lock();
    const outcome = parseRecords(await this.#text());
    if (outcome.kind === "newer") throw this.#tooNew(outcome.version);
    if (outcome.kind === "corrupt") await this.#putAside(outcome.why);
    const old = outcome.kind === "read" ? outcome.file : { records: [], others: [] };
    const { file, result } = change(old);
    if (file !== null) await this.#write(file);
    return result;
  }

  async #lock(): Promise<Disposable> {
    try {
      await makePrivateDirectory(this.#home);
      return await lockFile(`${this.path}.lock`, {
        clock: this.#clock,
        deadlineMs: this.#lockDeadlineMs,
      });
    } catch (error) {
      if (error instanceof SynthError) throw error;
      throw this.#unusable("locked", error);
    }
  }

  async #write(file: RecordsFile): Promise<void> {
    try {
      await this.#replace(this.path, formatRecords(file));
    } catch (error) {
      throw this.#unusable("written", error);
    }
  }

  async #putAside(why: string): Promise<void> {
    const stamp = new Date(this.#clock.now()).toISOString().replaceAll(":", "-");
    const aside = `${this.path}.corrupt-${stamp}-${newId("").slice(0, 6)}`;
    try {
      await Deno.rename(this.path, aside);
    } catch (error) {
      throw this.#unusable("put aside", error);
    }
    this.#log.warn("the file of service records was not readable and was put aside", {
      path: this.path,
      kept_as: aside,
      why,
    });
  }

  #unusable(what: string, cause: unknown): SynthError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new SynthError(`${this.path} cannot be ${what}: ${why}`, {
      code: "records_unwritable",
      exitCode: EXIT.unavailable,
      hint: "Look at the space on the disk and at the rights of the directory",
      cause,
    });
  }

  #tooNew(version: number): SynthError {
    return new SynthError(`${this.path} is of version ${version}, written by a newer synth`, {
      code: "records_too_new",
      hint: "Use that version, or another directory (SYNTH_HOME)",
    });
  }
}

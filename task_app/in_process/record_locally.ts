/** The service record of a task app in this process. @module */
import { type Clock, type Logger, SynthError } from "@synth/core";
import { dataDirectory } from "@synth/core/platform";
import { ServiceRecords } from "../records/service_records.ts";
import type { Listener } from "./listen.ts";
import type { InProcessTaskAppOptions } from "./options.ts";

/** What is recorded. */
export interface RecordedApp {
  readonly listener: Pick<Listener, "url" | "port">;
  readonly appId: string | null;
}

/** What the record is made with. */
export interface RecordContext {
  readonly env: (name: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A record that goes when it is disposed. */
export interface HeldRecord extends AsyncDisposable {
  readonly id: string;
}

/**
 * Records the app, so that others find it. A record is a help, not a condition: when it cannot be written, that is logged, and the app serves without.
 *
 * @returns `null` when there is no record
 */
export async function recordLocally(
  options: Pick<InProcessTaskAppOptions, "records" | "taskAppPath">,
  { listener, appId }: RecordedApp,
  { env, clock, log }: RecordContext,
): Promise<HeldRecord | null> {
  if (options.records === false) return null;
  try {
    const records = options.records ?? await defaultRecords({ env, clock, log });
    const path = options.taskAppPath;
    const { id } = await records.add({
      type: "local",
      url: listener.url,
      port: listener.port,
      local_host: new URL(listener.url).hostname,
      pid: Deno.pid,
      ...(appId === null ? {} : { app_id: appId }),
      ...(path === undefined ? {} : { task_app_path: path instanceof URL ? path.pathname : path }),
    });
    return { id, [Symbol.asyncDispose]: () => forget(records, id, log) };
  } catch (error) {
    log.warn("the task app could not be recorded; synth scan finds it by its port alone", {
      error,
    });
    return null;
  }
}

/** Nobody is asked for a permission for the sake of a record. */
async function defaultRecords({ env, clock, log }: RecordContext): Promise<ServiceRecords> {
  const home = dataDirectory({ env });
  for (const name of ["read", "write"] as const) {
    const { state } = await Deno.permissions.query({ name, path: home });
    if (state === "granted") continue;
    throw new SynthError(`Deno may not ${name} in ${home}`, {
      code: "records_not_permitted",
      hint: `Run with --allow-${name}, or pass records: false`,
    });
  }
  return new ServiceRecords({ home, clock, log });
}

async function forget(records: ServiceRecords, id: string, log: Logger): Promise<void> {
  try {
    await records.remove(id);
  } catch (error) {
    log.warn("the record of the task app could not be removed", { error, service: id });
  }
}

/** The files of a tunnel: its log and what tells its connection. @module */
import { makePrivateDirectory } from "@synth/core/platform";
import { createLogFile } from "../processes/log_file.ts";

/** Milliseconds that a log without a record is kept. */
const KEPT_MS = 7 * 24 * 3600 * 1000;
const OURS = /^(svc_[A-Za-z0-9_-]{1,64})\.(?:log|log\.1|pid)$/;

/** Where they lie. */
export interface TunnelFiles {
  readonly log: string;
  readonly pid: string;
}

/** The files of a tunnel in the directory of the state. Nothing is made. */
export function tunnelFiles(home: string, id: string): TunnelFiles {
  const dir = `${home}/tunnels`;
  return { log: `${dir}/${id}.log`, pid: `${dir}/${id}.pid` };
}

/** Makes the log of a tunnel, readable by its owner alone. */
export async function makeTunnelFiles(home: string, id: string): Promise<TunnelFiles> {
  await makePrivateDirectory(`${home}/tunnels`);
  const files = tunnelFiles(home, id);
  await createLogFile(files.log);
  return files;
}

/** Removes all of them. */
export async function removeTunnelFiles(home: string, id: string): Promise<void> {
  const { log, pid } = tunnelFiles(home, id);
  for (const path of [log, `${log}.1`, pid]) {
    try {
      await Deno.remove(path);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}

/** Removes old files of tunnels that no record names any more. Never throws: it is housekeeping. */
export async function pruneTunnelFiles(
  home: string,
  known: ReadonlySet<string>,
  now: number,
): Promise<void> {
  try {
    for await (const { name } of Deno.readDir(`${home}/tunnels`)) {
      const id = OURS.exec(name)?.[1];
      if (id === undefined || known.has(id)) continue;
      const path = `${home}/tunnels/${name}`;
      const { mtime } = await Deno.stat(path);
      if (mtime !== null && now - mtime.getTime() > KEPT_MS) await Deno.remove(path);
    }
  } catch {
    // There are none, or another process is at it.
  }
}

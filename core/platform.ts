/**
 * The machine below us: environment, private files, processes, the terminal. The only file of the lower rooms that touches `Deno`; it can be imported
 * anywhere, and says so only when it is used where there is no Deno.
 *
 * ```ts
 * import { createPrivateFile, dataDirectory, makePrivateDirectory } from "@synth/core/platform";
 *
 * const home = dataDirectory();
 * await makePrivateDirectory(home);
 * await createPrivateFile(`${home}/seal.key`, crypto.randomUUID()); // false when it was there already
 * ```
 *
 * @module
 */
import { SynthError } from "./errors.ts";
import { newId } from "./ids.ts";

/** A signal that can be listened for everywhere. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** Where {@linkcode dataDirectory} looks. */
export interface DataDirectoryOptions {
  /** @default {the environment} */
  env?: (name: string) => string | undefined;
  /** As in `Deno.build.os`. @default {this machine's} */
  os?: string;
}

/** Whether there is a Deno to ask. */
export function hasDeno(): boolean {
  return typeof Reflect.get(globalThis, "Deno") === "object";
}

/** A variable of the environment; `undefined` when it is not set, not permitted, or there is no environment. */
export function readEnv(name: string): string | undefined {
  if (!hasDeno()) return undefined;
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}

/**
 * Where synth keeps its data: `SYNTH_HOME`, else the platform's place: `$XDG_DATA_HOME/synth` or `~/.local/share/synth`, `~/Library/Application Support/synth`,
 * `%LOCALAPPDATA%\synth`. Nothing is created.
 *
 * @throws {SynthError} `no_home`
 */
export function dataDirectory(options: DataDirectoryOptions = {}): string {
  const env = options.env ?? readEnv;
  const chosen = env("SYNTH_HOME");
  if (chosen) return chosen;
  const os = options.os ?? (hasDeno() ? Deno.build.os : "");
  const home = os === "windows" ? env("USERPROFILE") : env("HOME");
  if (os === "windows") {
    const local = env("LOCALAPPDATA") ?? (home && `${home}\\AppData\\Local`);
    if (local) return `${local}\\synth`;
  } else if (os === "darwin") {
    if (home) return `${home}/Library/Application Support/synth`;
  } else {
    const xdg = env("XDG_DATA_HOME");
    // The XDG rules: a path that is not absolute does not count.
    if (xdg?.startsWith("/")) return `${xdg}/synth`;
    if (home) return `${home}/.local/share/synth`;
  }
  throw new SynthError("There is no home directory to keep data in", {
    code: "no_home",
    hint: "Set SYNTH_HOME to a directory",
  });
}

/** Makes a directory, and those above it, readable by its owner alone. One that is there already is left as it is. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await deno().mkdir(path, { recursive: true, mode: 0o700 });
}

/** The text of a file; `undefined` when there is none. */
export async function readTextFile(path: string): Promise<string | undefined> {
  const { readTextFile } = deno();
  try {
    return await readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/**
 * Creates a file that only its owner can read, whole or not at all. Of several processes that try at the same time, one succeeds.
 *
 * @returns `false` when the file is there already; it is then untouched
 */
export async function createPrivateFile(path: string, data: string | Uint8Array): Promise<boolean> {
  const draft = await writeDraft(path, data);
  try {
    await Deno.link(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    // Some file systems have no hard links.
    return await createInPlace(path, data);
  } finally {
    await Deno.remove(draft);
  }
}

/** Replaces (or creates) a file that only its owner can read: readers see the old text or the new one, also after a crash. */
export async function replacePrivateFile(path: string, data: string | Uint8Array): Promise<void> {
  const draft = await writeDraft(path, data);
  try {
    await Deno.rename(draft, path);
  } catch (error) {
    await Deno.remove(draft);
    throw error;
  }
}

/** Ends the process. */
export function exit(code: number): never {
  return deno().exit(code);
}

/** Calls `fn` for each of these signals, in place of their default. Returns the function that stops listening. */
export function onSignal(
  signals: readonly StopSignal[],
  fn: (signal: StopSignal) => void,
): () => void {
  const listening: [StopSignal, () => void][] = [];
  for (const signal of signals) {
    // Windows has no SIGTERM to listen for.
    if (signal === "SIGTERM" && deno().build.os === "windows") continue;
    const listener = () => fn(signal);
    Deno.addSignalListener(signal, listener);
    listening.push([signal, listener]);
  }
  return () => listening.splice(0).forEach(([signal, fn]) => Deno.removeSignalListener(signal, fn));
}

/** The id of this process. */
export function processId(): number {
  return deno().pid;
}

/** Whether a process runs; `undefined` when we may not ask (`--allow-run`). */
export function isProcessAlive(pid: number): boolean | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  const { kill } = deno();
  try {
    // Signal 0 is sent to nobody: it only asks. The types do not know it.
    kill(pid, 0 as never);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    if (error instanceof Deno.errors.PermissionDenied) return true;
    return undefined;
  }
}

/** What this process holds in memory, in bytes; `undefined` where there is no process of ours. */
export function memoryUse(): { residentBytes: number; heapBytes: number } | undefined {
  if (!hasDeno()) return undefined;
  const { rss, heapUsed } = Deno.memoryUsage();
  return { residentBytes: rss, heapBytes: heapUsed };
}

/** Whether a stream is a terminal. */
export function isTerminal(stream: "stdin" | "stdout" | "stderr"): boolean {
  return hasDeno() && Deno[stream].isTerminal();
}

/** The terminal's width in columns; `undefined` without one. */
export function consoleWidth(): number | undefined {
  try {
    return deno().consoleSize().columns;
  } catch {
    return undefined;
  }
}

async function writeDraft(path: string, data: string | Uint8Array): Promise<string> {
  const { remove } = deno();
  const draft = `${path}.${newId("")}.tmp`;
  try {
    await writeNew(draft, data);
  } catch (error) {
    await remove(draft).catch(() => {});
    throw error;
  }
  return draft;
}

async function createInPlace(path: string, data: string | Uint8Array): Promise<boolean> {
  try {
    await writeNew(path, data);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
}

async function writeNew(path: string, data: string | Uint8Array): Promise<void> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
  await file.sync();
}

function deno(): typeof Deno {
  if (hasDeno()) return Deno;
  throw new SynthError("This needs Deno: there are no files and processes here", {
    code: "platform_unsupported",
    status: 501,
  });
}

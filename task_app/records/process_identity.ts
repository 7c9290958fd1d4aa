/** Tells a process from another one that got its number later. @module */
import { isProcessAlive } from "@synth/core/platform";
import type { ProcessIdentity } from "./types.ts";

/** Whether the process of a record runs; `unknown` unless it can be proved. */
export type ProcessState = "running" | "gone" | "unknown";

/** Asks the system about processes. */
export interface ProcessProbe {
  /** Identity of a process that runs now. */
  identify(pid: number): Promise<ProcessIdentity>;
  /** Whether that very process still runs. */
  state(process: ProcessIdentity): Promise<ProcessState>;
}

/** What the system says of a process. `null`: it does not say. */
interface Seen {
  readonly started: string;
  /** It has ended, and only its parent has not asked how. */
  readonly dead: boolean;
}

/**
 * This machine's processes: `/proc` on Linux (read by `cat`, since Deno opens it only under `--allow-all`), `ps` on macOS. On Windows, and without
 * the right to run programs, the start stays unknown, and a process is gone only when its number is free.
 */
export const systemProcesses: ProcessProbe = { identify, state };

async function identify(pid: number): Promise<ProcessIdentity> {
  const [seen, scope] = [await look(pid), await scopeOf()];
  return { pid, pid_started: seen?.started ?? null, pid_scope: scope };
}

async function state(process: ProcessIdentity): Promise<ProcessState> {
  // A number of another machine or container says nothing here.
  if (process.pid_scope !== null && process.pid_scope !== await scopeOf()) return "unknown";
  if (!await isGranted({ name: "run" })) return "unknown";
  const alive = isProcessAlive(process.pid);
  if (alive !== true) return alive === false ? "gone" : "unknown";
  const seen = await look(process.pid);
  if (seen === null) return isProcessAlive(process.pid) === false ? "gone" : "unknown";
  if (seen.dead) return "gone";
  if (process.pid_started === null) return "unknown";
  return seen.started === process.pid_started ? "running" : "gone";
}

async function look(pid: number): Promise<Seen | null> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return null;
  if (Deno.build.os === "linux") {
    const stat = await output("cat", [`/proc/${pid}/stat`]);
    const boot = await bootId();
    return stat === null || boot === null ? null : parseProcStat(stat, boot);
  }
  if (Deno.build.os === "darwin") {
    const args = ["-o", "state=", "-o", "lstart=", "-p", String(pid)];
    const text = await output("ps", args);
    return text === null ? null : parsePs(text);
  }
  return null;
}

/** The second field is the program's name in brackets and may hold anything: what counts stands behind the last bracket. */
export function parseProcStat(stat: string, boot: string): Seen | null {
  const fields = stat.slice(stat.lastIndexOf(")") + 1).trim().split(" ");
  const [state, ticks] = [fields[0], fields[19]];
  if (state === undefined || ticks === undefined || !/^[0-9]+$/.test(ticks)) return null;
  return { started: `${boot}:${ticks}`, dead: state === "Z" || state === "X" };
}

/** `S    Sat Nov 22 03:15:54 2026` */
export function parsePs(text: string): Seen | null {
  const [state, ...started] = text.trim().split(/\s+/);
  if (state === undefined || started.length < 5) return null;
  return { started: started.join(" "), dead: state.startsWith("Z") };
}

let boot: Promise<string | null> | null = null;

function bootId(): Promise<string | null> {
  return boot ??= output("cat", ["/proc/sys/kernel/random/boot_id"]).then((text) =>
    text?.trim() || null
  );
}

let scope: Promise<string | null> | null = null;

function scopeOf(): Promise<string | null> {
  return scope ??= findScope();
}

async function findScope(): Promise<string | null> {
  const host = await hostname();
  if (host === null || Deno.build.os !== "linux") return host;
  const namespace = (await output("readlink", ["/proc/self/ns/pid"]))?.trim() || null;
  return namespace === null ? host : `${host} ${namespace}`;
}

async function hostname(): Promise<string | null> {
  return await isGranted({ name: "sys", kind: "hostname" }) ? Deno.hostname() : null;
}

/** Whether something is permitted, without asking the user: nobody wants a question for the sake of a record. */
async function isGranted(what: Deno.PermissionDescriptor): Promise<boolean> {
  return (await Deno.permissions.query(what)).state === "granted";
}

async function output(program: string, args: string[]): Promise<string | null> {
  if (!await isGranted({ name: "run", command: program })) return null;
  try {
    const { success, stdout } = await new Deno.Command(program, {
      args,
      env: { LC_ALL: "C", TZ: "UTC" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).output();
    return success ? new TextDecoder().decode(stdout) : null;
  } catch {
    return null;
  }
}

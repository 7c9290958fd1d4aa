/** The machine that is scanned: its ports and its processes. The only file of the scan that needs Deno. @module */
import { createConnection } from "node:net";
import { isProcessAlive } from "@synth/core/platform";
import type { RunningProcess } from "./cloudflared_processes.ts";

/** Whether something accepts connections there within the time. Never rejects. */
export function acceptsConnection(
  host: string,
  port: number,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    const end = (open: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(open);
    };
    const onAbort = () => end(false);
    const timer = setTimeout(() => end(false), timeoutMs);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("connect", () => end(true));
    socket.on("error", () => end(false));
  });
}

/** How the command lines of all processes are had. They may hold secrets, so they are read here and shown nowhere. */
const LISTERS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  linux: ["ps", "-e", "-ww", "-o", "pid=,args="],
  darwin: ["ps", "-A", "-ww", "-o", "pid=,args="],
  windows: [
    "powershell",
    "-NoProfile",
    "-Command",
    "Get-CimInstance Win32_Process -Filter \"Name like '%cloudflared%'\" | " +
    'ForEach-Object { "$($_.ProcessId) $($_.CommandLine)" }',
  ],
};

/**
 * The processes whose program is a `cloudflared`.
 *
 * @throws when the system cannot be asked
 */
export async function cloudflaredProcesses(signal: AbortSignal): Promise<RunningProcess[]> {
  const [program, ...args] = LISTERS[Deno.build.os] ?? ["ps", "-A", "-o", "pid=,args="];
  const child = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
    signal,
  }).spawn();
  const { success, stdout } = await child.output();
  if (!success) throw new Error(`${program} failed`);
  return parseProcessList(new TextDecoder().decode(stdout))
    .filter(({ pid }) => isProcessAlive(pid) !== false);
}

/** Lines of a number and a command line. Only those of a `cloudflared` are kept. */
export function parseProcessList(text: string): RunningProcess[] {
  const found: RunningProcess[] = [];
  for (const line of text.split("\n")) {
    const [pid = "", ...args] = line.trim().split(/\s+/);
    const program = (args[0] ?? "").replace(/^"|"$/g, "").split(/[/\\]/).at(-1) ?? "";
    // An interpreter may stand before the script's path.
    const script = /[/\\]/.test(args[1] ?? "") ? (args[1] ?? "").split(/[/\\]/).at(-1) ?? "" : "";
    const named = [program, script].some((name) => /^cloudflared(?:[.-][a-z0-9.-]+)?$/i.test(name));
    if (named && /^[0-9]{1,9}$/.test(pid)) found.push({ pid: Number(pid), args: args.slice(1) });
  }
  return found;
}

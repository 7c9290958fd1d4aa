/** Processes on a core of their own, and what they cost, from `/proc`. @module */

/** A process that is measured. Disposing ends it. */
export interface Subject extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly origin: string;
  readonly hostname: string;
  readonly port: number;
  /** Milliseconds of CPU since it began, all threads, user and system. */
  cpuMs(): number;
  /** Resident memory in MB (10^6 bytes). */
  rssMb(): number;
}

/** How a process is started. */
export interface SubjectOptions {
  /** @default {deno} */
  readonly program?: string;
  readonly args: readonly string[];
  /** The core it may use; `null`: any. */
  readonly core: number | null;
  readonly env?: Record<string, string>;
  /** Where it will listen. @default {what it prints} */
  readonly port?: number;
  /** File that takes what it says on stderr. */
  readonly stderr: string;
}

/** What `/proc/PID/stat` counts in. */
const TICK_MS = 10;

/** Milliseconds until a process must listen. */
const START_MS = 20_000;

/** Starts a process that prints its port or its address, or whose port is known, and waits until it is there. */
export async function startSubject(options: SubjectOptions): Promise<Subject> {
  const { args, core, stderr } = options;
  const pin = core === null ? [] : ["taskset", "-c", String(core)];
  // The shell gives way to the program, so the process id is the program's.
  const script = 'log="$1"; shift; exec "$@" 2>"$log"';
  const child = new Deno.Command("/bin/sh", {
    args: ["-c", script, "sh", stderr, ...pin, options.program ?? Deno.execPath(), ...args],
    env: options.env ?? {},
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const meter = new CpuMeter(child.pid);
  const port = options.port === undefined
    ? await printedPort(child.stdout)
    : await listening(options.port, child.stdout);
  if (port === null) {
    throw new Error(`${args.at(-1)} did not start:\n${await Deno.readTextFile(stderr)}`);
  }
  return {
    origin: `http://127.0.0.1:${port}`,
    hostname: "127.0.0.1",
    port,
    cpuMs: () => meter.read(),
    rssMb: () => rssOf(child.pid),
    async [Symbol.asyncDispose](): Promise<void> {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** Binds this process, the client, to a core; `null`: to all of them again. */
export async function pinSelf(core: number | null): Promise<void> {
  const cores = core === null ? `0-${navigator.hardwareConcurrency - 1}` : String(core);
  const args = ["-a", "-cp", cores, String(Deno.pid)];
  await new Deno.Command("taskset", { args, stdout: "null", stderr: "null" }).output();
}

/** Whether processes can be bound to cores here. */
export async function canPin(): Promise<boolean> {
  if (navigator.hardwareConcurrency < 2) return false;
  try {
    return (await new Deno.Command("taskset", { args: ["-V"], stdout: "null" }).output()).success;
  } catch {
    return false;
  }
}

async function listening(port: number, stdout: ReadableStream<Uint8Array>): Promise<number | null> {
  // What nobody reads fills the pipe.
  stdout.pipeTo(new WritableStream()).catch(() => {});
  const end = performance.now() + START_MS;
  while (performance.now() < end) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return port;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  return null;
}

async function printedPort(stdout: ReadableStream<Uint8Array>): Promise<number | null> {
  let text = "";
  const reader = stdout.pipeThrough(new TextDecoderStream()).getReader();
  while (true) {
    const { value, done } = await reader.read();
    if (done) return null;
    text += value;
    const found = /^(?:http:\/\/127\.0\.0\.1:)?(\d+)\n/m.exec(text)?.[1];
    if (found !== undefined) return Number(found);
  }
}

/** CPU of a process by its threads: to the nanosecond where the kernel says so, else in hundredths of a second. */
class CpuMeter {
  readonly #pid: number;
  /** By thread; what one has used stays when it ends. */
  readonly #threads: Map<string, number> = new Map();

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Milliseconds so far. */
  read(): number {
    const folder = `/proc/${this.#pid}/task`;
    for (const { name } of Deno.readDirSync(folder)) {
      try {
        const [ran = ""] = Deno.readTextFileSync(`${folder}/${name}/schedstat`).split(" ");
        this.#threads.set(name, Number(ran) / 1e6);
      } catch {
        // The thread has ended, or this kernel keeps no such count.
      }
    }
    if (this.#threads.size === 0) return cpuOf(this.#pid);
    return [...this.#threads.values()].reduce((sum, ms) => sum + ms, 0);
  }
}

function cpuOf(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name in parentheses may hold spaces; behind it user and system time are the 12th and 13th field.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

function rssOf(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1];
  return Number(kilobytes ?? 0) * 1024 / 1e6;
}

/** A machine with a `cloudflared`, an edge and a task app, for the tests. @module */
import { createLogger, type Logger, systemClock } from "@synth/core";
import { ServiceRecords } from "../../records/service_records.ts";
import type { ServiceRecord } from "../../records/types.ts";
import { type CloudflaredOptions, CloudflaredTunnels } from "../cloudflared_tunnels.ts";
import type { OpenTunnel, TunnelRequest } from "../port.ts";
import { TunnelStates } from "../tunnel_states.ts";
import { EdgeDouble } from "./edge_double.ts";

/** The key of the room's task app. */
export const ROOM_KEY = "key-of-the-tunnel-tests";

/** A start of the double. */
export interface Start {
  readonly pid: number;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** What a test stands in. Disposing ends every process that the double was started as. */
export class TunnelRoom implements AsyncDisposable {
  readonly path: string;
  readonly edge: EdgeDouble = new EdgeDouble();
  readonly lines: Record<string, unknown>[] = [];
  /** What the app answers on `/health`, by attempts. */
  health: (request: Request) => Response = (request) =>
    request.headers.get("x-api-key") === ROOM_KEY
      ? Response.json({ status: "healthy" })
      : Response.json({ detail: "no" }, { status: 401 });
  readonly #app: Deno.HttpServer<Deno.NetAddr>;

  private constructor(path: string) {
    this.path = path;
    this.#app = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      (request) => this.health(request),
    );
  }

  /** @param scripts what the double does, start by start: see `cloudflared_double.ts` */
  static async make(...scripts: string[]): Promise<TunnelRoom> {
    const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "synth-tunnel-" }));
    const room = new TunnelRoom(path);
    await Deno.mkdir(`${path}/bin`);
    await Deno.mkdir(room.home, { mode: 0o700 });
    await room.install(`${path}/bin/cloudflared`, scripts.length === 0 ? ["ok"] : scripts);
    return room;
  }

  /** The directory of the state. */
  get home(): string {
    return `${this.path}/home`;
  }

  /** Where the task app listens. */
  get port(): number {
    return this.#app.addr.port;
  }

  /** Environment in which the double is the `cloudflared`. */
  get env(): Record<string, string> {
    return {
      PATH: `${this.path}/bin:${Deno.env.get("PATH") ?? ""}`,
      HOME: Deno.env.get("HOME") ?? this.path,
      SYNTH_HOME: this.home,
      SYNTH_TUNNEL_VERIFY_INITIAL_DELAY_SECS: "0",
      ENVIRONMENT_API_KEY: ROOM_KEY,
      SYNTH_API_KEY: "sk_synth_of_the_tunnel_tests_0123456789",
    };
  }

  /** Writes the double as a program. */
  async install(path: string, scripts: readonly string[]): Promise<void> {
    const script = new URL("./cloudflared_double.ts", import.meta.url).pathname;
    const setup = JSON.stringify({ edge: this.edge.control, spy: this.#spy, scripts });
    const text = `#!/bin/sh\nexec ${quote(Deno.execPath())} run -A --quiet --no-config --no-lock ` +
      `${quote(script)} ${quote(setup)} "$@"\n`;
    await Deno.writeTextFile(path, text, { mode: 0o755 });
  }

  /** What opens tunnels here. */
  tunnels(options: CloudflaredOptions = {}): CloudflaredTunnels {
    return new CloudflaredTunnels({ home: this.home, fetch: this.edge.fetch, ...options });
  }

  /** Opens one. */
  async open(
    request: Partial<TunnelRequest> = {},
    options: CloudflaredOptions = {},
  ): Promise<OpenTunnel> {
    return await this.tunnels(options).open(this.request(request));
  }

  /** A request for a quick tunnel to the room's app. */
  request(request: Partial<TunnelRequest> = {}): TunnelRequest {
    const { env } = this;
    return {
      mode: "quick",
      host: "127.0.0.1",
      port: this.port,
      apiKey: ROOM_KEY,
      verify: true,
      deadlineMs: 60_000,
      clock: systemClock,
      log: this.log,
      env: (name) => env[name],
      ...request,
    };
  }

  /** Keeps its lines. */
  get log(): Logger {
    return createLogger({ write: (line) => this.lines.push(JSON.parse(line)) });
  }

  get states(): TunnelStates {
    return new TunnelStates({ home: this.home });
  }

  /** The service records. */
  async records(): Promise<ServiceRecord[]> {
    return await new ServiceRecords({ home: this.home }).list();
  }

  /** Every start of the double so far. */
  async starts(): Promise<Start[]> {
    try {
      const text = await Deno.readTextFile(this.#spy);
      return text.trim().split("\n").map((line) => JSON.parse(line));
    } catch {
      return [];
    }
  }

  /** Doubles that run. */
  async running(): Promise<number[]> {
    return (await this.starts()).map(({ pid }) => pid).filter(isRunning);
  }

  /** Names of the files that tunnels have left. */
  async files(): Promise<string[]> {
    const names: string[] = [];
    try {
      for await (const { name } of Deno.readDir(`${this.home}/tunnels`)) names.push(name);
    } catch {
      // None was opened.
    }
    return names.sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const pid of await this.running()) Deno.kill(pid, "SIGKILL");
    await this.edge[Symbol.asyncDispose]();
    await this.#app.shutdown();
    await Deno.remove(this.path, { recursive: true });
  }

  get #spy(): string {
    return `${this.path}/starts.jsonl`;
  }
}

/** Whether a process runs; one that nobody has asked about how it ended does not. */
export function isRunning(pid: number): boolean {
  try {
    Deno.kill(pid, 0 as never);
  } catch {
    return false;
  }
  if (Deno.build.os !== "linux") return true;
  const { stdout } = new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] })
    .outputSync();
  return !/^(?:Z|$)/.test(new TextDecoder().decode(stdout).trim());
}

function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

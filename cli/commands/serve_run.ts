/** What `synth serve` does. @module */
import { createLogger, EXIT, type Logger, SynthError, systemClock } from "@synth/core";
import { exit, onSignal } from "@synth/core/platform";
import { announceRunningApp, fixedAddressOf, waitForHealth } from "@synth/task-app/in-process";
import { ServiceRecords } from "@synth/task-app/records";
import type { OpenTunnel, TunnelContext, TunnelOpener } from "@synth/task-app/tunnels";
import { findOptionalBackend } from "../client/optional_backend.ts";
import { tunnelOpener } from "../client/tunnel_opener.ts";
import type { CliContext } from "../context.ts";
import { bold } from "../output/color.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { ensureHome } from "../state/home.ts";
import { findPaths, joinPath, type Paths } from "../state/paths.ts";
import { StopSignals } from "../state/stop_signals.ts";
import type { ServeTunnel } from "./serve.ts";
import { environmentOf, jobOf } from "./serve_job.ts";
import { type ServeJob, ServeProcess } from "./serve_process.ts";
import { watchFiles } from "./serve_watch.ts";

/** Flags of the command. */
export interface ServeFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly host: "127.0.0.1" | "localhost" | "0.0.0.0";
  readonly port?: number;
  readonly watch: boolean;
  readonly envFile?: readonly string[];
  readonly tunnel: ServeTunnel;
  readonly allow?: readonly string[];
  readonly register: boolean;
  readonly baseUrl?: string;
  readonly config?: string;
}

const DEFAULT_PORT = 8001;
const DEFAULT_TRIES = 100;
const HEALTH_MS = 30_000;
const TUNNEL_MS = 180_000;
/** Milliseconds that a port may stay in use by the app's predecessor. */
const HANDOVER_MS = 10_000;
/** Milliseconds that a tunnel has to go when nobody wants to wait. */
const HURRY_MS = 3000;

/** Serves the file until a signal ends it. */
export async function runServe(this: CliContext, flags: ServeFlags, file: string): Promise<void> {
  const paths = findPaths(this, flags.home);
  await ensureHome(this, paths.home);
  const log = createLogger({ write: (line) => say(this, line), level: "warn" });
  const { env, key } = await environmentOf(this, flags, paths);
  const job = await jobOf(this, flags, paths, file, env);
  await using served = new Served(this, flags, job, key);
  const stop = Promise.withResolvers<void>();
  const signals = new StopSignals(systemClock);
  const unlisten = onSignal(["SIGINT", "SIGTERM"], (signal) => {
    if (signals.receive(signal) > 1) {
      void served.kill().finally(() => exit(EXIT.interrupted));
      return;
    }
    say(this, `${signal}: open requests may finish; a second signal ends them at once`);
    stop.resolve();
  });
  try {
    // A signal has to be obeyed while the app starts, too.
    const ready = served.start(paths, log);
    ready.catch(() => {});
    const started = await Promise.race([ready.then(() => true), stop.promise.then(() => false)]);
    if (!started) {
      this.process.exitCode = EXIT.interrupted;
      return;
    }
    served.announce();
    this.process.exitCode = await Promise.race([stop.promise.then(() => EXIT.ok), served.run()]);
  } finally {
    await served[Symbol.asyncDispose]();
    unlisten();
  }
}

/** The app, and all that goes with it. */
class Served implements AsyncDisposable {
  readonly #context: CliContext;
  readonly #flags: ServeFlags;
  readonly #job: ServeJob;
  readonly #key: string;
  readonly #resources = new AsyncDisposableStack();
  readonly #closed = new AbortController();
  #process: ServeProcess | null = null;
  /** The one whose file is being loaded. */
  #loading: ServeProcess | null = null;
  /** All that were started and may still run. */
  readonly #processes = new Set<ServeProcess>();
  #port = 0;
  /** Names of files that change; `null` when nobody asked to watch. */
  #changes: AsyncGenerator<string> | null = null;
  #tunnels: TunnelOpener | null = null;
  #tunnel: OpenTunnel | null = null;
  #recordId: string | null = null;
  #starting: Promise<void> = Promise.resolve();

  constructor(context: CliContext, flags: ServeFlags, job: ServeJob, key: string) {
    this.#context = context;
    this.#flags = flags;
    this.#job = job;
    this.#key = key;
  }

  get #localUrl(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  start(paths: Paths, log: Logger): Promise<void> {
    return this.#starting = this.#start(paths, log);
  }

  async #start(paths: Paths, log: Logger): Promise<void> {
    this.#resources.defer(() => this.#stopAll());
    const { tunnel: mode } = this.#flags;
    if (mode !== "local") {
      this.#tunnels = await tunnelOpener(this.#context, { ...this.#flags, mode }, paths);
    }
    // From before the file is read: what is saved while it loads is a change like others.
    if (this.#flags.watch) {
      const dir = joinPath(this.#context, this.#job.file, "..");
      this.#changes = watchFiles(dir, this.#closed.signal);
    }
    this.#process = await this.#load();
    const { host } = this.#flags;
    const { port, tries } = await this.#wantedPort(log);
    this.#port = await this.#process.listen({ host, port, tries, patienceMs: 0 });
    await this.#healthy(this.#process);
    await this.#record(paths, log);
    this.#closed.signal.throwIfAborted();
    await this.#openTunnel(log);
    await this.#register(paths, log);
  }

  announce(): void {
    const { appId } = this.#process ?? { appId: null };
    const url = this.#tunnel?.url ?? this.#localUrl;
    const { json, watch, host } = this.#flags;
    const err = this.#context.process.stderr;
    say(this.#context, bold(`${appId ?? "the task app"} is served on ${url}`, err));
    if (host === "0.0.0.0") {
      say(this.#context, "warning: other machines can reach it, without encryption");
    }
    if (watch) say(this.#context, "It starts anew when a file changes.");
    if (!json) return printLine(this.#context, url);
    printJson(this.#context, {
      url,
      local_url: this.#localUrl,
      port: this.#port,
      pid: Deno.pid,
      app_id: appId,
      file: this.#job.file,
      tunnel: this.#tunnel === null ? null : this.#tunnel.mode,
    });
  }

  /** Resolves with an exit code when the app or its tunnel has ended by itself. */
  async run(): Promise<number> {
    const tunnel = this.#tunnel?.exited.then(({ reason }) => {
      say(this.#context, `error: the tunnel ended: ${reason} [tunnel_ended]`);
      return EXIT.failed;
    });
    const app = this.#changes === null ? this.#ended() : this.#watch(this.#changes);
    return await Promise.race(tunnel === undefined ? [app] : [app, tunnel]);
  }

  /** Ends at once all that would outlive us. */
  async kill(): Promise<void> {
    for (const process of this.#processes) process.kill();
    const closed = this.#tunnel?.close().catch(() => {});
    await Promise.race([closed, systemClock.sleep(HURRY_MS)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    // A start that is not over could make things behind our back.
    await Promise.all([this.#stopAll(), this.#starting.catch(() => {})]);
    await this.#resources.disposeAsync();
  }

  async #ended(): Promise<number> {
    const code = await this.#process?.ended;
    if (this.#closed.signal.aborted) return EXIT.ok;
    say(this.#context, `error: the task app's process ended with code ${code} [task_app_ended]`);
    return EXIT.failed;
  }

  async #watch(changes: AsyncGenerator<string>): Promise<number> {
    void this.#tellEnd();
    for (let next = changes.next();;) {
      const { value: path, done } = await next;
      if (done === true) return EXIT.ok;
      say(this.#context, `${path} changed`);
      next = changes.next();
      // A file that never loads must not keep us from the one that mends it.
      void next.then(() => this.#loading?.kill());
      await this.#renew();
    }
  }

  /** Of an app that ended by itself there is nothing left but the watch. */
  async #tellEnd(): Promise<void> {
    const process = this.#process;
    const code = await process?.ended;
    if (this.#process !== process || this.#closed.signal.aborted) return;
    say(this.#context, `error: the task app's process ended with code ${code} [task_app_ended]`);
    say(this.#context, "  Waiting for the next change");
  }

  async #renew(): Promise<void> {
    try {
      await this.#replace();
      say(this.#context, "the task app was started anew");
      void this.#tellEnd();
    } catch (error) {
      const text = error instanceof SynthError ? error.toCliMessage() : String(error);
      say(this.#context, `${text}\n  Waiting for the next change`);
    }
  }

  /** Loads the new file first: the port is without an app only while it changes hands, and a file that does not load changes nothing. */
  async #replace(): Promise<void> {
    const fresh = await this.#load();
    const old = this.#process;
    // The listener closes at once; requests that are open may take their time.
    const stopped = old === null ? Promise.resolve() : this.#stop(old);
    this.#process = fresh;
    try {
      const { host } = this.#flags;
      await fresh.listen({ host, port: this.#port, tries: 1, patienceMs: HANDOVER_MS });
      await this.#healthy(fresh);
    } finally {
      await stopped;
    }
  }

  async #load(): Promise<ServeProcess> {
    this.#closed.signal.throwIfAborted();
    const process = new ServeProcess(this.#job);
    this.#processes.add(process);
    this.#loading = process;
    try {
      await process.load();
      return process;
    } catch (error) {
      await this.#stop(process);
      throw error;
    } finally {
      this.#loading = null;
    }
  }

  async #stop(process: ServeProcess): Promise<void> {
    await process.stop();
    this.#processes.delete(process);
  }

  async #stopAll(): Promise<void> {
    await Promise.all([...this.#processes].map((process) => this.#stop(process)));
  }

  async #healthy(process: ServeProcess): Promise<void> {
    const gone = new AbortController();
    void process.ended.then((code) =>
      gone.abort(
        new SynthError(`The task app's process ended with code ${code}`, {
          code: "task_app_ended",
        }),
      )
    );
    await waitForHealth({
      url: this.#localUrl,
      apiKey: this.#key,
      timeoutMs: HEALTH_MS,
      signal: AbortSignal.any([this.#closed.signal, gone.signal]),
    });
  }

  async #record(paths: Paths, log: Logger): Promise<void> {
    const records = new ServiceRecords({ home: paths.home, log });
    try {
      const { id } = await records.add({
        type: "local",
        url: this.#localUrl,
        port: this.#port,
        local_host: "127.0.0.1",
        pid: Deno.pid,
        task_app_path: this.#job.file,
        ...(this.#process?.appId ? { app_id: this.#process.appId } : {}),
      });
      this.#recordId = id;
      this.#resources.defer(async () => {
        await records.remove(id).catch((error) => say(this.#context, `warning: ${error.message}`));
      });
    } catch (error) {
      if (!(error instanceof SynthError)) throw error;
      say(this.#context, `warning: ${error.message}; synth scan finds the app by its port alone`);
    }
  }

  /** Tells the gateway, when there is one. An app that it does not hear of serves as well. */
  async #register(paths: Paths, log: Logger): Promise<void> {
    if (!this.#flags.register) return;
    try {
      const backend = await findOptionalBackend(this.#context, this.#flags, paths);
      if (backend === undefined) return;
      const url = this.#tunnel?.url ?? this.#localUrl;
      const app = { appId: this.#process?.appId ?? null, url, mode: this.#flags.tunnel };
      const entry = announceRunningApp(backend, app, { clock: systemClock, log });
      if (entry !== null) this.#resources.use(entry);
    } catch (error) {
      if (!(error instanceof SynthError)) throw error;
      say(this.#context, `warning: ${error.message}; the app is not in the registry`);
    }
  }

  /** A managed tunnel that is there already leads to one port. */
  async #wantedPort(log: Logger): Promise<{ port: number; tries: number }> {
    const { port, tunnel } = this.#flags;
    if (tunnel === "managed" && this.#tunnels !== null) {
      const fixed = await fixedAddressOf(this.#tunnels, this.#tunnelContext(log));
      if (fixed !== null) return { port: fixed.port, tries: 1 };
    }
    return { port: port ?? DEFAULT_PORT, tries: port === undefined ? DEFAULT_TRIES : 1 };
  }

  #tunnelContext(log: Logger): TunnelContext {
    return {
      env: (name) => this.#context.env[name],
      clock: systemClock,
      log,
      deadlineMs: TUNNEL_MS,
      signal: this.#closed.signal,
    };
  }

  async #openTunnel(log: Logger): Promise<void> {
    if (this.#flags.tunnel === "local" || this.#tunnels === null) return;
    this.#tunnel = this.#resources.use(
      await this.#tunnels.open({
        mode: this.#flags.tunnel,
        host: "127.0.0.1",
        port: this.#port,
        apiKey: this.#key,
        verify: true,
        ...this.#tunnelContext(log),
        ...(this.#recordId === null ? {} : { serviceId: this.#recordId }),
      }),
    );
  }
}

/** A task app that lives in this process, reachable from outside. @module */
import { type Clock, type Logger, newId, systemClock } from "@synth/core";
import { readEnv } from "@synth/core/platform";
import { defaultTunnels } from "../tunnels/default_opener.ts";
import type { OpenTunnel, TunnelContext, TunnelExit, TunnelOpener } from "../tunnels/port.ts";
import { announceRunningApp, registryOfEnvironment } from "./announce_running_app.ts";
import { findEnvironmentKey } from "./api_key.ts";
import { defaultLog } from "./default_log.ts";
import { waitForHealth } from "./health.ts";
import { listen, type Listener } from "./listen.ts";
import { fixedAddressOf, openTunnelFor } from "./open_tunnel.ts";
import type { InProcessTaskAppOptions, TaskAppMode } from "./options.ts";
import { type Plan, planStart } from "./plan.ts";
import { recordLocally } from "./record_locally.ts";
import { stopOnSignals } from "./signals.ts";
import { type OpenSource, openSource } from "./source.ts";
import { Steps } from "./steps.ts";
import { parseMode, validateOptions } from "./validate_options.ts";
import { verifyPreconfigured } from "./verify_preconfigured.ts";
import { startAborted, startDeadline, withinTime } from "./waits.ts";

const DEFAULT_PORT = 8114;
const DEFAULT_START_MS = 180_000;
const DEFAULT_STOP_MS = 5_000;
const DEFAULT_HEALTH_MS = 30_000;
/** Its program gets some seconds to end by itself before it is killed. */
const TUNNEL_CLOSE_MS = 15_000;

type State = "idle" | "starting" | "running" | "stopping";

/**
 * Serves a task app from this process and, unless the mode is `local`, opens a tunnel to it.
 *
 * @example
 * ```ts
 * import { InProcessTaskApp } from "@synth/task-app/in-process";
 *
 * await using app = await InProcessTaskApp.start({
 *   app: () => Response.json({ healthy: true }),
 *   tunnelMode: "local",
 *   port: 0,
 *   apiKey: null,
 * });
 * console.log(app.url);
 * ```
 */
export class InProcessTaskApp implements AsyncDisposable {
  readonly #options: InProcessTaskAppOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #env: (name: string) => string | undefined;
  readonly #stopMs: number;
  #state: State = "idle";
  #port: number;
  #mode: TaskAppMode;
  #apiKey: string | null;
  #url: string | null = null;
  #localUrl: string | null = null;
  #tunnel: OpenTunnel | null = null;
  #starting: Promise<this> | null = null;
  #stopping: Promise<void> | null = null;
  /** Ends a start. */
  #abort = new AbortController();
  /** Aborted when nobody is waited for any more. */
  #hurry = new AbortController();
  #resources = new AsyncDisposableStack();

  /** @throws {SynthError} exit code 2, for options that cannot work */
  constructor(options: InProcessTaskAppOptions) {
    validateOptions(options);
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#env = options.env ?? readEnv;
    this.#stopMs = options.stopTimeoutMs ?? DEFAULT_STOP_MS;
    this.#log = (options.log ?? defaultLog(this.#env, this.#clock))
      .child({ task_app: newId("app_").slice(0, 12) });
    this.#port = options.port ?? DEFAULT_PORT;
    this.#mode = parseMode(options.tunnelMode ?? "quick", "tunnelMode");
    this.#apiKey = options.apiKey ?? null;
  }

  /** Makes and starts one. @throws {SynthError} as the constructor and {@linkcode InProcessTaskApp.start} */
  static async start(options: InProcessTaskAppOptions): Promise<InProcessTaskApp> {
    return await new InProcessTaskApp(options).#start();
  }

  /** Where callers reach it, without a slash at the end; `null` while it does not run. */
  get url(): string | null {
    return this.#url;
  }

  /** Where this machine reaches it; `null` while it does not run. */
  get localUrl(): string | null {
    return this.#localUrl;
  }

  /** The port: the wanted one before the start, then the one that was bound. */
  get port(): number {
    return this.#port;
  }

  /** The address that it listens on. */
  get host(): string {
    return this.#options.host ?? "127.0.0.1";
  }

  /** The mode: after the start, the one that is in force. */
  get tunnelMode(): TaskAppMode {
    return this.#mode;
  }

  /** The key that callers send; `null` when none is wanted, or none was looked for yet. Secret. */
  get apiKey(): string | null {
    return this.#apiKey;
  }

  /** Whether it runs. */
  get running(): boolean {
    return this.#state === "running";
  }

  /** What requests through the tunnel need beside the key. Secret. */
  accessHeaders(): Record<string, string> {
    return { ...this.#tunnel?.accessHeaders(), ...this.#preconfiguredHeaders() };
  }

  /**
   * Starts it; when it runs, nothing happens. When a step fails, all that the steps before have made is undone first.
   *
   * @throws {SynthError} `environment_api_key_missing`, `port_in_use`, `no_free_port`, `health_check_failed`, `health_check_unauthorized`,
   *   `start_timeout`, `start_aborted`, what loading and the tunnel throw; the reason of the signal
   */
  async start(): Promise<void> {
    await this.#start();
  }

  /** Stops it, also while it starts; when it does not run, nothing happens. Never rejects: what goes wrong is logged. */
  async stop(): Promise<void> {
    await this.#stop({ force: false });
  }

  /** As {@linkcode InProcessTaskApp.stop}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #start(): Promise<this> {
    if (this.#state === "running") return Promise.resolve(this);
    return this.#starting ??= this.#startFresh().finally(() => this.#starting = null);
  }

  async #startFresh(): Promise<this> {
    // Before anything is waited for: from now on a stop means this start.
    this.#abort = new AbortController();
    await this.#stopping;
    this.#state = "starting";
    this.#hurry = new AbortController();
    this.#resources = new AsyncDisposableStack();
    this.#port = this.#options.port ?? DEFAULT_PORT;
    const ms = this.#options.startTimeoutMs ?? DEFAULT_START_MS;
    const cancelDeadline = startDeadline(this.#abort, ms, this.#clock);
    try {
      this.#watchSignal();
      await this.#run(new Steps(this.#log, this.#clock, this.#abort.signal));
      // Someone may have asked to stop in the last step.
      this.#abort.signal.throwIfAborted();
      this.#state = "running";
      return this;
    } catch (error) {
      this.#log.error("the task app did not start", { error });
      this.#abort.abort(error);
      await this.#clean();
      throw error;
    } finally {
      cancelDeadline();
    }
  }

  async #run(steps: Steps): Promise<void> {
    const resources = this.#resources;
    const ports = { env: this.#env, clock: this.#clock, log: this.#log };
    const plan = await steps.run("plan", () => planStart(this.#options, this.#env));
    this.#mode = plan.mode;
    if (this.#options.handleSignals !== false) {
      resources.use(stopOnSignals({ stop: (how) => this.#stop(how) }, this.#clock));
    }
    this.#apiKey = await steps.run("key", () => this.#findKey());
    const source = await steps.run(
      "load",
      () => openSource(this.#options, { ...ports, key: this.#apiKey }),
    );
    resources.defer(() => this.#patiently(source.stop(), "stopping the task app"));
    const listener = await this.#listen(steps, plan, source);
    await steps.run("start hooks", () => source.started());
    await steps.run("health", () => this.#waitForHealth(listener));
    const recording = recordLocally(this.#options, { listener, appId: source.appId }, ports);
    // Also one that was written after its time.
    resources.defer(async () => await (await recording)?.[Symbol.asyncDispose]());
    const record = await steps.run("record", () => recording);
    this.#url = await steps.run("reach", () => this.#reach(plan, listener, record?.id));
    this.#announce(this.#url, source.appId);
    await steps.run("on start", () => this.#call("onStart"));
    const { url } = this;
    this.#log.info("the task app runs", { url, local_url: this.#localUrl, mode: this.#mode });
  }

  async #findKey(): Promise<string | null> {
    const { apiKey, generateApiKey: generate = false } = this.#options;
    const { key, source } = await findEnvironmentKey({ apiKey, generate, env: this.#env });
    this.#log.info("task app: where the key is from", { source });
    return key;
  }

  async #listen(steps: Steps, plan: Plan, source: OpenSource): Promise<Listener> {
    const fixed = plan.mode !== "managed"
      ? null
      : await steps.run("address", () => fixedAddressOf(this.#tunnels(), this.#tunnelContext()));
    const listener = await steps.run("listen", () => {
      const bound = listen({
        handler: source.handler,
        host: fixed?.host ?? this.host,
        port: fixed?.port ?? this.#port,
        // A managed tunnel leads to one port: on another nobody would reach us.
        autoFindPort: this.#options.autoFindPort !== false && fixed === null,
        log: this.#log,
      });
      this.#resources.defer(() => this.#closeListener(bound));
      return bound;
    });
    if (listener.port !== this.#port && this.#port !== 0) {
      this.#log.warn("task app: another port", { wanted: this.#port, port: listener.port });
    }
    this.#port = listener.port;
    this.#localUrl = listener.url;
    return listener;
  }

  async #waitForHealth(listener: Listener): Promise<void> {
    await waitForHealth({
      url: listener.url,
      apiKey: this.#apiKey,
      timeoutMs: this.#options.healthCheckTimeoutMs ?? DEFAULT_HEALTH_MS,
      clock: this.#clock,
      signal: this.#abort.signal,
    });
  }

  async #reach(plan: Plan, listener: Listener, serviceId: string | undefined): Promise<string> {
    const verify = this.#options.skipTunnelVerification !== true;
    if (plan.mode === "local") return listener.url;
    if (plan.mode === "preconfigured") {
      const { url } = plan;
      const { signal } = this.#abort;
      const headers = this.#preconfiguredHeaders();
      if (verify) {
        await verifyPreconfigured({
          url,
          apiKey: this.#apiKey,
          headers,
          clock: this.#clock,
          signal,
        });
      }
      return url;
    }
    const opening = openTunnelFor(this.#tunnels(), {
      ...this.#tunnelContext(),
      mode: plan.mode,
      host: new URL(listener.url).hostname,
      port: listener.port,
      apiKey: this.#apiKey,
      verify,
      ...(serviceId === undefined ? {} : { serviceId }),
    });
    // Also one that opens after its time: nothing of it may outlive us, so a hurry makes no difference.
    this.#resources.defer(() => this.#closeTunnel(opening));
    const tunnel = await opening;
    this.#tunnel = tunnel;
    tunnel.exited.then((exit) => this.#tunnelExited(tunnel, exit));
    return tunnel.url;
  }

  #announce(url: string, appId: string | null): void {
    const target = this.#options.registry ?? registryOfEnvironment(this.#env);
    const ports = { clock: this.#clock, log: this.#log };
    const entry = target && announceRunningApp(target, { appId, url, mode: this.#mode }, ports);
    if (!entry) return;
    const leave = () => this.#patiently(entry[Symbol.asyncDispose](), "leaving the registry");
    this.#resources.defer(leave);
  }

  #tunnels(): TunnelOpener {
    return this.#options.tunnels ?? defaultTunnels;
  }

  #tunnelContext(): TunnelContext & { readonly signal: AbortSignal; readonly subdomain?: string } {
    const { startTimeoutMs = DEFAULT_START_MS, tunnelSubdomain: subdomain } = this.#options;
    return {
      env: this.#env,
      clock: this.#clock,
      log: this.#log,
      deadlineMs: startTimeoutMs,
      signal: this.#abort.signal,
      ...(subdomain === undefined ? {} : { subdomain }),
    };
  }

  #preconfiguredHeaders(): Record<string, string> {
    const { preconfiguredAuthHeader: name, preconfiguredAuthToken: value } = this.#options;
    if (this.#mode !== "preconfigured" || name === undefined || value === undefined) return {};
    return { [name]: value };
  }

  async #tunnelExited(tunnel: OpenTunnel, { code, reason }: TunnelExit): Promise<void> {
    if (this.#tunnel !== tunnel || this.#state === "stopping") return;
    const { url } = tunnel;
    this.#log.error("the tunnel ended: nobody reaches the task app", { url, code, reason });
    try {
      await this.#options.onTunnelExit?.({ code, reason }, this);
    } catch (error) {
      this.#log.error("onTunnelExit failed", { error });
    }
  }

  #watchSignal(): void {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    const onAbort = () => {
      this.#abort.abort(signal?.reason);
      void this.stop();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#resources.defer(() => signal?.removeEventListener("abort", onAbort));
  }

  async #stop({ force }: { readonly force: boolean }): Promise<void> {
    if (force) this.#hurry.abort();
    if (this.#starting !== null) {
      this.#abort.abort(startAborted());
      await this.#starting.catch(() => {});
    }
    if (this.#state === "running") {
      this.#stopping ??= this.#stopRunning().finally(() => this.#stopping = null);
    }
    await this.#stopping;
  }

  async #stopRunning(): Promise<void> {
    this.#state = "stopping";
    this.#log.info("the task app stops", { url: this.#url });
    await this.#patiently(this.#call("onStop"), "onStop");
    await this.#clean();
    this.#log.info("the task app has stopped");
  }

  /** Undoes all that was made, the last first. Never rejects. */
  async #clean(): Promise<void> {
    this.#state = "stopping";
    try {
      await this.#resources.disposeAsync();
    } catch (error) {
      this.#log.error("a part of the task app did not go down cleanly", { error });
    }
    this.#tunnel = null;
    this.#url = null;
    this.#localUrl = null;
    this.#state = "idle";
  }

  async #call(name: "onStart" | "onStop"): Promise<void> {
    try {
      await this.#options[name]?.(this);
    } catch (error) {
      this.#log.error(`${name} failed`, { error });
    }
  }

  async #closeTunnel(opening: Promise<OpenTunnel>): Promise<void> {
    const closed = opening.then((tunnel) => tunnel.close(), () => {});
    try {
      await withinTime(closed, TUNNEL_CLOSE_MS, this.#clock);
    } catch (error) {
      this.#log.error("the tunnel did not close", { error });
    }
  }

  async #closeListener(listener: Listener): Promise<void> {
    try {
      await listener.stop(this.#stopMs, this.#clock, this.#hurry.signal);
    } catch (error) {
      this.#log.error("the listener did not close", { error, port: listener.port });
    }
  }

  /** Waits for what others do, within reason. */
  async #patiently(work: Promise<void>, what: string): Promise<void> {
    try {
      await withinTime(work, this.#stopMs, this.#clock, this.#hurry.signal);
    } catch (error) {
      this.#log.warn(`${what} did not end well`, { error });
    }
  }
}

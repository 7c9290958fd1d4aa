/** Tunnels by `cloudflared`. @module */
import { EXIT, SynthError } from "@synth/core";
import { dataDirectory, makePrivateDirectory, readEnv } from "@synth/core/platform";
import { waitForHealth } from "../in_process/health.ts";
import { resolveBackendBase } from "../in_process/job/backend_base.ts";
import { type ProcessProbe, systemProcesses } from "../records/process_identity.ts";
import { ServiceRecords } from "../records/service_records.ts";
import { managedArguments, quickArguments } from "./cloudflared/arguments.ts";
import { childEnvironment } from "./cloudflared/child_environment.ts";
import { type CommandRunner, systemRunner } from "./cloudflared/command_runner.ts";
import { findWorkingCloudflared } from "./cloudflared/find_cloudflared.ts";
import {
  isQuickName,
  QUICK_DOMAIN,
  quickHostname,
  readyConnections,
} from "./cloudflared/metrics_client.ts";
import { type Leased, leaseManaged } from "./managed/lease_managed.ts";
import { ManagedBackend } from "./managed/managed_backend.ts";
import { selectTunnel } from "./managed/select_tunnel.ts";
import { OpenScope } from "./open_scope.ts";
import { openedTunnel } from "./opened_tunnel.ts";
import { poll } from "./poll.ts";
import type {
  FixedAddress,
  OpenTunnel,
  TunnelContext,
  TunnelOpener,
  TunnelRequest,
} from "./port.ts";
import { retryWait } from "./retry_wait.ts";
import { readTunnelSettings, type TunnelSettings } from "./settings.ts";
import { closedByAnother, tunnelSilent } from "./tunnel_errors.ts";
import { TunnelProcess } from "./tunnel_process.ts";
import { verifyTunnel } from "./verify_tunnel.ts";

/** Milliseconds that the task app has to answer on this machine. */
const LOCAL_HEALTH_MS = 30_000;
/** Milliseconds that the quick service has to give a name: it is asked for 15 s. */
const NAME_MS = 30_000;

/** What can be replaced. */
export interface CloudflaredOptions {
  /** The directory of the state. @default {SYNTH_HOME, else the user's data directory} */
  readonly home?: string;
  /** The backend of managed tunnels. @default {BACKEND_BASE_URL and SYNTH_API_KEY} */
  readonly backend?: { readonly baseUrl: string; readonly apiKey: string };
  /** Makes a managed tunnel of the wanted name when others exist, too. @default {false} */
  readonly createMissing?: boolean;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** @default {this machine's programs} */
  readonly runner?: CommandRunner;
  /** @default {this machine's} */
  readonly processes?: ProcessProbe;
  /** From [0, 1), for the jitter. @default {Math.random} */
  readonly random?: () => number;
  /** Told when an attempt is over and another follows. */
  readonly onRetry?: (error: SynthError, waitMs: number) => void;
}

/** What an attempt needs of all that was found out before. */
interface Prepared {
  readonly home: string;
  readonly program: string;
  readonly settings: TunnelSettings;
  readonly env: (name: string) => string | undefined;
  readonly leased: Leased | null;
}

/**
 * Opens quick and managed tunnels by the `cloudflared` of this machine. A tunnel that was opened outlives this process, unless it is closed; its
 * record tells `synth tunnel` of it.
 */
export class CloudflaredTunnels implements TunnelOpener {
  readonly #options: CloudflaredOptions;

  constructor(options: CloudflaredOptions = {}) {
    this.#options = options;
  }

  /**
   * Where an existing managed tunnel leads.
   *
   * @throws {SynthError} `no_api_key` (exit code 4), `tunnel_not_found` (3), `tunnel_ambiguous` (2), what the backend answers
   */
  async fixedAddress(
    request: TunnelContext & { readonly subdomain?: string },
  ): Promise<FixedAddress | null> {
    using scope = new OpenScope(request);
    scope.step = "asking the backend for its tunnels";
    const backend = this.#backend(request);
    const found = await leaseOrNull(
      this.#options,
      async () =>
        selectTunnel(await backend.choices(request.subdomain, scope.signal), request.subdomain),
    );
    if (found === null) return null;
    return { host: found.localHost, port: found.localPort, hostname: found.hostname };
  }

  /**
   * Opens a tunnel: asks for the local `/health`, starts `cloudflared` in the background, and, with `verify`, waits until `/health` answers through
   * the public URL. On any failure no process, record or file of it is left.
   *
   * @throws {SynthError} `cloudflared_not_found`, `cloudflared_broken` (exit code 127), `health_check_failed` (6), `tunnel_rate_limited` (75),
   *   `tunnel_ended`, `tunnel_start_timeout`, `tunnel_not_reachable`, `deadline_exceeded` (69), `tunnel_unauthorized` (4),
   *   `tunnel_port_mismatch`, as {@linkcode fixedAddress}; the signal's reason
   */
  async open(request: TunnelRequest): Promise<OpenTunnel> {
    request.signal?.throwIfAborted();
    using scope = new OpenScope(request);
    const env = request.env ?? readEnv;
    const { clock, log } = request;
    const { signal } = scope;
    const home = this.#home(env);
    const settings = readTunnelSettings(env, log);
    await makePrivateDirectory(home);
    scope.step = "looking for cloudflared";
    const runner = this.#options.runner ?? systemRunner;
    const { program, version } = await findWorkingCloudflared({ home, env, runner, clock, signal });
    log.info("tunnel: cloudflared", { program, version });
    scope.step = "waiting for the task app on this machine";
    await this.#localHealth(request, scope);
    scope.step = "asking the backend for a tunnel";
    const leased = request.mode === "managed"
      ? await leaseManaged(this.#backend(request), request, {
        env,
        signal,
        createMissing: this.#options.createMissing === true,
      })
      : null;
    try {
      return await this.#attempts(request, scope, { home, program, settings, env, leased });
    } catch (error) {
      await leased?.giveUp(log);
      throw error;
    }
  }

  async #attempts(
    request: TunnelRequest,
    scope: OpenScope,
    prepared: Prepared,
  ): Promise<OpenTunnel> {
    const random = this.#options.random ?? Math.random;
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#attempt(request, scope, prepared);
      } catch (error) {
        scope.signal.throwIfAborted();
        const wait = retryWait(error, attempt, prepared.settings, random());
        // What went wrong says more than that the time is over.
        if (wait === null || wait >= scope.leftMs || !(error instanceof SynthError)) throw error;
        const { code, message } = error;
        request.log.warn("tunnel: another attempt follows", {
          code,
          reason: message,
          wait_ms: wait,
        });
        this.#options.onRetry?.(error, wait);
        scope.step = message;
        await request.clock.sleep(wait, scope.signal);
      }
    }
  }

  async #attempt(
    request: TunnelRequest,
    scope: OpenScope,
    { home, program, settings, env, leased }: Prepared,
  ): Promise<OpenTunnel> {
    const { mode, host, port, clock, log } = request;
    const origin = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
    scope.step = "starting cloudflared";
    scope.signal.throwIfAborted();
    const process = await TunnelProcess.start({
      home,
      program,
      mode,
      host,
      port,
      hostname: leased?.hostname ?? null,
      serviceId: request.serviceId,
      arguments: ({ pid: pidFile }, metricsPort) =>
        leased === null
          ? quickArguments(origin, { metricsPort, pidFile })
          : managedArguments({ metricsPort, pidFile }),
      env: childEnvironment(env, leased === null ? {} : { TUNNEL_TOKEN: leased.token }),
      runner: this.#options.runner ?? systemRunner,
      records: this.#records(home, request),
      clock,
      log,
    });
    try {
      const signal = AbortSignal.any([scope.signal, process.ended]);
      scope.step = "waiting for the tunnel's name";
      const hostname = leased === null
        ? await this.#quickName(process, request, signal)
        : await this.#managedName(leased, process, request, signal);
      const url = `https://${hostname}`;
      log.info("tunnel: named", { url, tunnel: process.id, pid: process.child.pid });
      if (request.verify) {
        scope.step = `waiting for ${url}/health`;
        await verifyTunnel({
          url,
          metricsUrl: process.metricsUrl,
          apiKey: request.apiKey,
          headers: leased?.accessHeaders ?? {},
          unauthorizedIsUp: request.apiKey === null && leased === null,
          settings,
          clock,
          signal,
          fetch: this.#fetch,
          verdict: () => process.verdict(),
        });
      }
      // Never the URL of a process that has just died.
      signal.throwIfAborted();
      return openedTunnel({
        process,
        hostname,
        mode,
        accessHeaders: leased?.accessHeaders ?? {},
      });
    } catch (error) {
      const closed = await process.wasClosed();
      await process.close();
      throw closed ? closedByAnother() : error;
    }
  }

  async #quickName(
    process: TunnelProcess,
    { clock }: TunnelRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const asked = { url: process.metricsUrl, clock, fetch: this.#fetch, signal };
    const name = await poll(() => quickHostname(asked), { clock, signal, timeoutMs: NAME_MS });
    if (name === null) {
      throw tunnelSilent("get a name for the tunnel", NAME_MS, await process.verdict());
    }
    // The key goes there: to nothing that another server on that port may have made up.
    if (!isQuickName(name)) {
      throw new SynthError(`cloudflared gives the tunnel the name ${name}`, {
        code: "tunnel_name_refused",
        status: 502,
        hint: `Quick tunnels have names under ${QUICK_DOMAIN}`,
      });
    }
    await process.named(name);
    return name;
  }

  /** Known before; that its program runs shows when its metrics server answers. */
  async #managedName(
    { hostname }: Leased,
    process: TunnelProcess,
    { clock }: TunnelRequest,
    signal: AbortSignal,
  ): Promise<string> {
    const asked = { url: process.metricsUrl, clock, fetch: this.#fetch, signal };
    const up = await poll(() => readyConnections(asked), { clock, signal, timeoutMs: NAME_MS });
    if (up === null) throw tunnelSilent("start", NAME_MS, await process.verdict());
    return hostname;
  }

  async #localHealth(request: TunnelRequest, scope: OpenScope): Promise<void> {
    const { host, port, apiKey, clock } = request;
    await waitForHealth({
      url: `http://${host.includes(":") ? `[${host}]` : host}:${port}`,
      apiKey,
      timeoutMs: Math.min(LOCAL_HEALTH_MS, scope.leftMs),
      // Without a key all that can be seen is that something answers.
      unauthorizedIsUp: apiKey === null || !request.verify,
      clock,
      signal: scope.signal,
      fetch: this.#fetch,
    });
  }

  get #fetch(): typeof globalThis.fetch {
    return this.#options.fetch ?? globalThis.fetch;
  }

  #home(env: (name: string) => string | undefined): string {
    return this.#options.home ?? dataDirectory({ env });
  }

  #records(home: string, { clock, log }: TunnelContext): ServiceRecords {
    const processes = this.#options.processes ?? systemProcesses;
    return new ServiceRecords({ home, clock, log, processes });
  }

  #backend({ env = readEnv, clock }: TunnelContext): ManagedBackend {
    const { backend, fetch } = this.#options;
    const apiKey = backend?.apiKey ?? env("SYNTH_API_KEY")?.trim();
    if (!apiKey) {
      throw new SynthError("Managed tunnels need a key for the backend that has them", {
        code: "no_api_key",
        status: 401,
        exitCode: EXIT.auth,
        hint: "Set SYNTH_API_KEY (and BACKEND_BASE_URL), or use a quick tunnel",
      });
    }
    const baseUrl = backend?.baseUrl ?? resolveBackendBase(undefined, env).replace(/\/api$/, "");
    return new ManagedBackend({ baseUrl, apiKey, clock, fetch });
  }
}

/** A tunnel that is to be made, and so has no address yet, is none. */
async function leaseOrNull<T>(
  { createMissing }: CloudflaredOptions,
  find: () => Promise<T | null>,
): Promise<T | null> {
  try {
    return await find();
  } catch (error) {
    const missing = error instanceof SynthError && error.code === "tunnel_not_found";
    if (createMissing === true && missing) return null;
    throw error;
  }
}

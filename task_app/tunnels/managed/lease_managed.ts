/** A managed tunnel for one opening: an existing one, or one that is made for it. @module */
import { EXIT, type Logger, SynthError } from "@synth/core";
import type { TunnelRequest } from "../port.ts";
import { untilAborted } from "../../in_process/waits.ts";
import type { CreatedTunnel, ManagedBackend } from "./managed_backend.ts";
import type { ManagedTunnel, TunnelSecrets } from "./managed_tunnel.ts";
import { firstLabel, selectTunnel } from "./select_tunnel.ts";

/** After these nobody knows what became of a request. */
const UNSURE = new Set(["tunnels_backend_unreachable", "tunnels_backend_answer"]);

/** A tunnel that can be run. */
export interface Leased {
  readonly hostname: string;
  /** Secret. */
  readonly token: string;
  /** `CF-Access-Client-Id` and its secret, when they are known. Secret. */
  readonly accessHeaders: Readonly<Record<string, string>>;
  /** Takes the tunnel away again if it was made here: its secrets would be lost with us. Never rejects. */
  giveUp(log: Logger): Promise<void>;
}

/** What it needs beside the request. */
export interface LeaseOptions {
  readonly env: (name: string) => string | undefined;
  readonly signal: AbortSignal;
  /** Whether a name that is not there may be made beside others. */
  readonly createMissing: boolean;
}

/**
 * Chooses or makes the tunnel.
 *
 * @throws {SynthError} `tunnel_port_mismatch` when it leads elsewhere than to the task app; as `selectTunnel` and the backend
 */
export async function leaseManaged(
  backend: ManagedBackend,
  request: TunnelRequest,
  options: LeaseOptions,
): Promise<Leased> {
  const { env, signal } = options;
  const { subdomain } = request;
  const tunnels = await backend.choices(subdomain, signal);
  const wanted = subdomain === undefined ? null : firstLabel(subdomain);
  const missing = wanted !== null && !tunnels.some((tunnel) => tunnel.subdomain === wanted);
  const found = options.createMissing && missing ? null : selectTunnel(tunnels, subdomain);
  if (found !== null) {
    checkAddress(found, request);
    return leased(found, await backend.secrets(found, signal), env, () => Promise.resolve());
  }
  const { tunnel, secrets } = await create(backend, wanted ?? `tunnel-${request.port}`, request, {
    signal,
  });
  return leased(tunnel, secrets, env, (log) => takeBack(backend, tunnel, log));
}

/**
 * Has a tunnel made. A backend goes on with it when nobody listens any more: who gives up hears its answer out, to take away what was made.
 */
async function create(
  backend: ManagedBackend,
  subdomain: string,
  { port, host, log }: TunnelRequest,
  { signal }: Pick<LeaseOptions, "signal">,
): Promise<CreatedTunnel> {
  signal.throwIfAborted();
  const creating = backend.create({ subdomain, local_port: port, local_host: host });
  try {
    return await untilAborted(creating, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    log.warn("given up while the backend makes a managed tunnel: it is deleted", { subdomain });
    try {
      await takeBack(backend, (await creating).tunnel, log);
    } catch (cause) {
      // A refusal has made nothing; silence may have.
      if (!(cause instanceof SynthError) || !UNSURE.has(cause.code)) throw error;
      log.error("a managed tunnel may have been made: see the backend's list", { subdomain });
    }
    throw error;
  }
}

/** Takes a tunnel away that was made here. Never rejects. */
async function takeBack(backend: ManagedBackend, tunnel: ManagedTunnel, log: Logger) {
  const { hostname } = tunnel;
  try {
    await backend.delete(tunnel);
  } catch (error) {
    const hint = `synth tunnel delete ${hostname}`;
    log.error("a managed tunnel of no use could not be deleted", { hostname, hint, error });
  }
}

function leased(
  { hostname }: ManagedTunnel,
  secrets: TunnelSecrets,
  env: (name: string) => string | undefined,
  giveUp: Leased["giveUp"],
): Leased {
  // Some backends give them once only: the user keeps them in the environment.
  const id = secrets.accessClientId ?? env("CF_ACCESS_CLIENT_ID")?.trim();
  const secret = secrets.accessClientSecret ?? env("CF_ACCESS_CLIENT_SECRET")?.trim();
  const accessHeaders = id && secret
    ? { "CF-Access-Client-Id": id, "CF-Access-Client-Secret": secret }
    : {};
  return { hostname, token: secrets.token, accessHeaders, giveUp };
}

function checkAddress(
  { hostname, localHost, localPort }: ManagedTunnel,
  request: TunnelRequest,
): void {
  if (localPort === request.port) return;
  throw new SynthError(
    `The tunnel ${hostname} leads to ${localHost}:${localPort}, the task app listens on port ${request.port}`,
    {
      code: "tunnel_port_mismatch",
      status: 409,
      exitCode: EXIT.failed,
      hint: `Serve it on port ${localPort}, or choose another tunnel (--subdomain)`,
    },
  );
}

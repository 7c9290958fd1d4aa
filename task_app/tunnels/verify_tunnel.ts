/** Whether the task app answers through its tunnel. @module */
import { type Clock, SynthError } from "@synth/core";
import { waitForHealth } from "../in_process/health.ts";
import type { LogVerdict } from "./cloudflared/read_log.ts";
import { readyConnections } from "./cloudflared/metrics_client.ts";
import { poll } from "./poll.ts";
import type { TunnelSettings } from "./settings.ts";
import { notReachable, tunnelSilent } from "./tunnel_errors.ts";

/** What is asked. */
export interface VerifyOptions {
  /** The public URL. */
  readonly url: string;
  /** Of the metrics server. */
  readonly metricsUrl: string;
  readonly apiKey: string | null;
  /** Of the access proxy. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether 401 will do: the app is not ours to know the key of. */
  readonly unauthorizedIsUp: boolean;
  readonly settings: TunnelSettings;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly fetch: typeof globalThis.fetch;
  readonly verdict: () => Promise<LogVerdict>;
}

/** Thrown errors of this code may go away with a new tunnel. */
export const WORTH_ANOTHER = "tunnel_not_reachable";

/**
 * Waits for a connection to the edge, then asks `/health` through the public URL, by verified TLS.
 *
 * @throws {SynthError} `tunnel_start_timeout`, `tunnel_unauthorized`, `tunnel_not_reachable`; the signal's reason
 */
export async function verifyTunnel(options: VerifyOptions): Promise<void> {
  const { clock, settings, signal, url, metricsUrl, verdict } = options;
  const end = clock.monotonic() + settings.verifyMs;
  const connected = await poll(
    async () =>
      await readyConnections({ url: metricsUrl, clock, fetch: options.fetch, signal }) || null,
    { clock, signal, timeoutMs: settings.verifyMs },
  );
  if (connected === null) {
    throw tunnelSilent("connect to the edge", settings.verifyMs, await verdict());
  }
  if (settings.initialDelayMs > 0) await clock.sleep(settings.initialDelayMs, signal);
  try {
    await waitForHealth({
      url,
      apiKey: options.apiKey,
      headers: options.headers,
      timeoutMs: Math.max(1, end - clock.monotonic()),
      unauthorizedIsUp: options.unauthorizedIsUp,
      // The edge may refuse for a while what it does not know yet.
      patient: true,
      clock,
      signal,
      fetch: limited(options.fetch, settings.perRequestMs, clock),
    });
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof SynthError) || !error.code.startsWith("health_check_")) throw error;
    throw notReachable(url, error, await verdict());
  }
}

/** A request that takes no longer than this. */
function limited(
  send: typeof globalThis.fetch,
  ms: number,
  clock: Pick<Clock, "after">,
): typeof globalThis.fetch {
  return async (input, init) => {
    const late = new AbortController();
    const cancel = clock.after(ms, () => late.abort(new Error("it did not answer in time")));
    const signal = init?.signal ? AbortSignal.any([init.signal, late.signal]) : late.signal;
    try {
      return await send(input, { ...init, signal });
    } finally {
      cancel();
    }
  };
}

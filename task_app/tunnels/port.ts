/**
 * The port through which a task app becomes reachable from outside. What opens tunnels implements it; what serves a task app uses it.
 *
 * ```ts
 * import type { TunnelOpener } from "@synth/task-app/tunnels";
 * import { createLogger, systemClock } from "@synth/core";
 *
 * export async function openFor(opener: TunnelOpener, apiKey: string): Promise<void> {
 *   await using tunnel = await opener.open({
 *     mode: "quick",
 *     host: "127.0.0.1",
 *     port: 8114,
 *     apiKey,
 *     verify: true,
 *     deadlineMs: 120_000,
 *     clock: systemClock,
 *     log: createLogger({ write: (line) => console.error(line) }),
 *   });
 *   console.log(tunnel.url);
 * }
 * ```
 *
 * @module
 */
import { type Clock, EXIT, type Logger, SynthError } from "@synth/core";

/** How a tunnel is had: `quick` needs no account and gets a random name, `managed` is the account's own, with a lasting name. */
export type TunnelMode = "quick" | "managed";

/** What every call of an opener is given. */
export interface TunnelContext {
  /** Which backend, keys and switches (`SYNTH_API_KEY`, `SYNTH_TUNNEL_*`). @default {the environment} */
  readonly env?: (name: string) => string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  /** Milliseconds for the whole call, whatever it tries. */
  readonly deadlineMs: number;
  /** Ends the call early; it then rejects with the signal's reason and leaves nothing behind. */
  readonly signal?: AbortSignal;
}

/** What a tunnel is wanted for. */
export interface TunnelRequest extends TunnelContext {
  readonly mode: TunnelMode;
  /** Where the task app listens on this machine: an address that can be called, so never `0.0.0.0`. */
  readonly host: string;
  readonly port: number;
  /** The task app's key, for the check through the tunnel. `null`: the app wants none. Never put in a child's arguments. */
  readonly apiKey: string | null;
  /** Whether `/health` has to answer through the tunnel before it counts as open. */
  readonly verify: boolean;
  /** Name of the managed tunnel, by its first label. */
  readonly subdomain?: string;
  /** Id of the task app's service record, which the tunnel's record names. */
  readonly serviceId?: string;
}

/** Which address a tunnel is bound to already. */
export interface FixedAddress {
  readonly host: string;
  readonly port: number;
  /** The tunnel's public host. */
  readonly hostname: string;
}

/** How the program behind a tunnel ended. */
export interface TunnelExit {
  /** `null` when a signal ended it, or nobody knows. */
  readonly code: number | null;
  /** One line for a log, without secrets. */
  readonly reason: string;
}

/** A tunnel that was found to work. */
export interface OpenTunnel extends AsyncDisposable {
  /** `https://` and the host, without a slash at the end. */
  readonly url: string;
  readonly hostname: string;
  readonly mode: TunnelMode;
  /** Id of the tunnel's service record, when one was written. */
  readonly recordId: string | null;
  /** What requests through the tunnel need beside the task app's key (`CF-Access-Client-Id` ...); empty when nothing. Secret. */
  accessHeaders(): Record<string, string>;
  /** Resolves when the tunnel's program has ended, wanted or not. Never rejects. */
  readonly exited: Promise<TunnelExit>;
  /** Ends the program and removes its record. Idempotent; resolves when the program is gone. */
  close(): Promise<void>;
}

/** Opens tunnels. */
export interface TunnelOpener {
  /**
   * The address that an existing managed tunnel leads to, so that the app can listen there before the tunnel is opened. `null`: none
   * exists, or it takes any address.
   */
  fixedAddress(request: TunnelContext & { readonly subdomain?: string }): Promise<
    FixedAddress | null
  >;
  /**
   * Opens a tunnel to an address that listens already.
   *
   * @throws {SynthError} `tunnels_unavailable`, `deadline_exceeded`, and what the opener documents
   */
  open(request: TunnelRequest): Promise<OpenTunnel>;
}

/** Stands where nobody has given an opener: says so. */
export const unavailableTunnels: TunnelOpener = {
  fixedAddress: () => Promise.reject(unavailable()),
  open: () => Promise.reject(unavailable()),
};

function unavailable(): SynthError {
  return new SynthError("No tunnels can be opened from here", {
    code: "tunnels_unavailable",
    status: 501,
    exitCode: EXIT.unavailable,
    hint: 'Use the mode "local", or "preconfigured" with the URL of a tunnel of your own',
  });
}

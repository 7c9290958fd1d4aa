/** Opens a tunnel and loses none that comes too late. @module */
import { EXIT, SynthError } from "@synth/core";
import type {
  FixedAddress,
  OpenTunnel,
  TunnelContext,
  TunnelOpener,
  TunnelRequest,
} from "../tunnels/port.ts";

const LOOPBACK = /^(?:127\.(?:\d{1,3}\.){2}\d{1,3}|localhost)$/;

/** Where an existing managed tunnel leads, if that is an address of this machine. @throws {SynthError} `tunnel_address_refused` */
export async function fixedAddressOf(
  opener: TunnelOpener,
  context: TunnelContext & { readonly subdomain?: string },
): Promise<FixedAddress | null> {
  const fixed = await opener.fixedAddress(context);
  if (fixed === null) return null;
  const { host, port, hostname } = fixed;
  const valid = LOOPBACK.test(host) && Number.isInteger(port) && port > 0 && port <= 65_535;
  if (valid) return { hostname, port, host: host === "localhost" ? "127.0.0.1" : host };
  throw new SynthError(`The tunnel ${hostname} leads to ${host}:${port}, not to this machine`, {
    code: "tunnel_address_refused",
    status: 409,
    exitCode: EXIT.failed,
    hint: "Delete that tunnel, or choose another with tunnelSubdomain",
  });
}

/** Opens a tunnel; one that opens after the signal is closed again before this rejects. */
export async function openTunnelFor(
  opener: TunnelOpener,
  request: TunnelRequest & { readonly signal: AbortSignal },
): Promise<OpenTunnel> {
  const tunnel = await opener.open(request);
  if (!request.signal.aborted) return tunnel;
  await tunnel.close();
  throw request.signal.reason;
}

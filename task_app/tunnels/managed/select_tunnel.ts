/** Which managed tunnel is meant. @module */
import { EXIT, SynthError } from "@synth/core";
import type { ManagedTunnel } from "./managed_tunnel.ts";

/**
 * With a subdomain the tunnel whose first label it is, in any case; without, the only one. `null`: there is none at all, so one may be made.
 *
 * @param subdomain a label or a name, also with `https://` before it
 * @throws {SynthError} `tunnel_not_found` (exit code 3), `tunnel_ambiguous` (2); the choices are in the message
 */
export function selectTunnel(
  tunnels: readonly ManagedTunnel[],
  subdomain: string | undefined,
): ManagedTunnel | null {
  if (tunnels.length === 0) return null;
  const wanted = subdomain === undefined ? null : firstLabel(subdomain);
  if (wanted !== null) {
    const found = tunnels.find((tunnel) => tunnel.subdomain === wanted);
    if (found !== undefined) return found;
    throw new SynthError(
      `There is no managed tunnel ${JSON.stringify(wanted)}; there are: ${listOf(tunnels)}`,
      {
        code: "tunnel_not_found",
        status: 404,
        hint: "Name one of them; synth tunnel open --create makes a new one",
      },
    );
  }
  const [only] = tunnels;
  if (only !== undefined && tunnels.length === 1) return only;
  throw new SynthError(`There are several managed tunnels: ${listOf(tunnels)}`, {
    code: "tunnel_ambiguous",
    status: 409,
    exitCode: EXIT.usage,
    hint: "Say which one: --subdomain NAME, tunnelSubdomain",
  });
}

/** `https://Name.example.org` is `name`. */
export function firstLabel(text: string): string {
  return text.trim().replace(/^https?:\/\//i, "").toLowerCase().split(".", 1)[0] ?? "";
}

function listOf(tunnels: readonly ManagedTunnel[]): string {
  const names = tunnels.map(({ hostname, localPort }) => `${hostname} (port ${localPort})`);
  return names.length > 20
    ? `${names.slice(0, 20).join(", ")} and ${names.length - 20} more`
    : names.join(", ");
}

/** What `synth tunnel delete` does. @module */
import { EXIT, SynthError } from "@synth/core";
import type { TunnelObject } from "@synth/core/api";
import { type ClientFlags, connect } from "../client/connect.ts";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";

/** Deletes a managed tunnel at the gateway: its name, its access, its credentials. */
export async function runTunnelDelete(
  this: CliContext,
  flags: ClientFlags,
  given: string,
): Promise<void> {
  const { client } = await connect(this, flags);
  const tunnel = choose(await client.tunnels.list({ status: "all" }), given);
  const deleted = await client.tunnels.delete(tunnel.id);
  say(this, `${tunnel.hostname} is deleted; a program that still runs it reaches nobody`);
  if (flags.json) printJson(this, deleted);
}

/** By id, by name, or by the name's first label. */
function choose(tunnels: readonly TunnelObject[], given: string): TunnelObject {
  const name = given.toLowerCase();
  const found = tunnels.find(({ id }) => id === given) ??
    tunnels.find(({ hostname }) => hostname === name) ??
    tunnels.find(({ hostname }) => hostname.split(".")[0] === name);
  if (found !== undefined) return found;
  throw new SynthError(`The gateway has no managed tunnel ${given}`, {
    code: "tunnel_not_found",
    exitCode: EXIT.notFound,
    hint: tunnels.length === 0
      ? "Your org has none"
      : `It has ${tunnels.slice(0, 10).map(({ hostname }) => hostname).join(", ")}`,
  });
}

/** What opens tunnels for a command: with its own state directory and, for managed ones, with its own gateway and key. @module */
import { CloudflaredTunnels } from "@synth/task-app/tunnels";
import type { CliContext } from "../context.ts";
import { loadForCommand } from "../state/load.ts";
import type { Paths } from "../state/paths.ts";
import { findBaseUrl } from "./base_url.ts";
import { findKey } from "./credentials.ts";

/** What says where the gateway is, and what is wanted. */
export interface TunnelOpenerFlags {
  readonly config?: string;
  readonly baseUrl?: string;
  readonly mode: "quick" | "managed";
}

/** Only a managed tunnel needs a gateway. @throws {SynthError} as `findBaseUrl` and `findKey` */
export async function tunnelOpener(
  context: CliContext,
  flags: TunnelOpenerFlags,
  paths: Paths,
): Promise<CloudflaredTunnels> {
  if (flags.mode === "quick") return new CloudflaredTunnels({ home: paths.home });
  const { config } = await loadForCommand(context, paths, { config: flags.config });
  const flag = { name: "--base-url", value: flags.baseUrl };
  const { url } = await findBaseUrl(context, paths, config, flag);
  const { key } = await findKey(context, paths, url);
  return new CloudflaredTunnels({ home: paths.home, backend: { baseUrl: url, apiKey: key } });
}

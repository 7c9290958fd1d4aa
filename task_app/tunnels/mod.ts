/**
 * Tunnels to a task app by `cloudflared`: opened in the background, checked through their public URL, recorded, closed by id. Needs Deno.
 *
 * ```ts
 * import { defaultTunnels, storeTunnelEnvironment, TunnelStates } from "@synth/task-app/tunnels";
 * import { createLogger, systemClock } from "@synth/core";
 *
 * export async function openFor(apiKey: string): Promise<void> {
 *   const tunnel = await defaultTunnels.open({
 *     mode: "quick",
 *     host: "127.0.0.1",
 *     port: 8114,
 *     apiKey,
 *     verify: true,
 *     deadlineMs: 180_000,
 *     clock: systemClock,
 *     log: createLogger({ write: (line) => console.error(line) }),
 *   });
 *   await storeTunnelEnvironment(".env", tunnel);
 * }
 *
 * export async function closeAll(home: string): Promise<void> {
 *   const tunnels = new TunnelStates({ home });
 *   for (const { record } of await tunnels.list()) await tunnels.close(record.id);
 * }
 * ```
 *
 * @module
 */
export * from "./port.ts";
export { defaultTunnels } from "./default_opener.ts";
export { type CloudflaredOptions, CloudflaredTunnels } from "./cloudflared_tunnels.ts";
export { type CommandRunner, type RunResult, systemRunner } from "./cloudflared/command_runner.ts";
export {
  checkCloudflared,
  type CheckOptions,
  findCloudflared,
  type FindOptions,
  installedCloudflared,
} from "./cloudflared/find_cloudflared.ts";
export {
  type TunnelState,
  TunnelStates,
  type TunnelStatesOptions,
  type TunnelStatus,
} from "./tunnel_states.ts";
export { type StoredVariable, storeTunnelEnvironment } from "./store_environment.ts";
export {
  installCloudflared,
  type InstallOptions,
  type InstallResult,
} from "./install/install_cloudflared.ts";

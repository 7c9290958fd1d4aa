/**
 * Tunnels to a task app by `cloudflared`: opened in the background, checked through their public URL, recorded, closed by id. Needs Deno.
 *
 * ```ts
 * import { TunnelStates } from "@synth/task-app/tunnels";
 * import { dataDirectory } from "@synth/core/platform";
 *
 * const tunnels = new TunnelStates({ home: dataDirectory() });
 * for (const { record, state } of await tunnels.list()) {
 *   if (state === "ended") await tunnels.close(record.id);
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
export { isQuickName } from "./cloudflared/metrics_client.ts";
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

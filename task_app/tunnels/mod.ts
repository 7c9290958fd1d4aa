/**
 * Tunnels to a task app: the port that opens them.
 *
 * ```ts
 * import { unavailableTunnels } from "@synth/task-app/tunnels";
 * import { silentLogger, systemClock } from "@synth/core";
 *
 * await unavailableTunnels.fixedAddress({ clock: systemClock, log: silentLogger, deadlineMs: 1_000 })
 *   .catch((error) => console.error(error.code)); // "tunnels_unavailable"
 * ```
 *
 * @module
 */
export * from "./port.ts";
export { defaultTunnels } from "./default_opener.ts";

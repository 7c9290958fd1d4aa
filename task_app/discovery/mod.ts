/**
 * Finds task apps that run on this machine, behind tunnels, and at the backend.
 *
 * ```ts
 * import { scanTaskApps } from "@synth/task-app/discovery";
 * import { ServiceRecords } from "@synth/task-app/records";
 * import { dataDirectory } from "@synth/core/platform";
 *
 * const { apps, scan_summary } = await scanTaskApps({
 *   ports: { first: 8000, last: 8100 },
 *   records: new ServiceRecords({ home: dataDirectory() }),
 * });
 * for (const app of apps) console.log(app.name, app.url, app.status);
 * console.log(scan_summary.total_found);
 * ```
 *
 * @module
 */
export * from "./types.ts";
export { type ScanOptions, type ScanRecords, scanTaskApps } from "./scan.ts";
export type { ScanBackend } from "./backend_sources.ts";
export type { RunningProcess } from "./cloudflared_processes.ts";
export { parsePortRange, type PortRange } from "./port_scan.ts";

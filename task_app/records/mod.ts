/**
 * The records of running services: task apps, tunnels and deployments, in one file that every process of a user shares.
 *
 * ```ts
 * import { ServiceRecords } from "@synth/task-app/records";
 * import { dataDirectory } from "@synth/core/platform";
 *
 * const records = new ServiceRecords({ home: dataDirectory() });
 * const { id } = await records.add({
 *   type: "local",
 *   url: "http://127.0.0.1:8114",
 *   port: 8114,
 *   local_host: "127.0.0.1",
 *   pid: Deno.pid,
 * });
 * await records.remove(id);
 * ```
 *
 * @module
 */
export * from "./types.ts";
export { RECORDS_FILE, ServiceRecords, type ServiceRecordsOptions } from "./service_records.ts";
export { parseRecords, type ReadOutcome, type RecordsFile } from "./file_format.ts";
export { type ProcessProbe, type ProcessState, systemProcesses } from "./process_identity.ts";

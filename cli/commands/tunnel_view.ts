/** A tunnel as `--json` prints it. @module */
import type { TunnelStatus } from "@synth/task-app/tunnels";

/** Members of the contract. */
export interface TunnelView {
  readonly id: string;
  readonly state: TunnelStatus["state"];
  /** `null` while it has no name. */
  readonly url: string | null;
  readonly hostname: string | null;
  readonly mode: "quick" | "managed";
  readonly port: number | null;
  readonly pid: number | null;
  readonly connections: number | null;
  readonly created_at: string;
  readonly service_id: string | null;
  readonly log_file: string;
}

/** Makes it. */
export function tunnelView({ record, state, connections, logFile }: TunnelStatus): TunnelView {
  const named = record.hostname !== "";
  return {
    id: record.id,
    state,
    url: named ? record.url : null,
    hostname: named ? record.hostname : null,
    mode: record.mode,
    port: record.port,
    pid: record.pid,
    connections,
    created_at: record.created_at,
    service_id: record.service_id ?? null,
    log_file: logFile,
  };
}

/** A deployment as `--json` prints it. @module */
import type { DeploymentStatus } from "@synth/task-app/deploy";
import { type TunnelView, tunnelView } from "./tunnel_view.ts";

/** Members of the contract. */
export interface DeploymentView {
  readonly id: string;
  readonly name: string | null;
  readonly runtime: string;
  readonly state: DeploymentStatus["state"];
  /** What `/health` says; `null` when it was not asked. */
  readonly health: DeploymentStatus["health"];
  /** `null` while it is not known. */
  readonly url: string | null;
  readonly port: number | null;
  readonly pid: number | null;
  readonly app_id: string | null;
  readonly file: string | null;
  readonly log_file: string | null;
  readonly created_at: string;
  readonly tunnels: readonly TunnelView[];
}

/** Makes it. */
export function deploymentView(
  { record, state, health, tunnels }: DeploymentStatus,
): DeploymentView {
  return {
    id: record.id,
    name: record.name ?? null,
    runtime: record.target,
    state,
    health,
    url: /^https?:/.test(record.url) ? record.url : null,
    port: record.port,
    pid: record.pid,
    app_id: record.app_id ?? null,
    file: record.task_app_path ?? null,
    log_file: record.log_file ?? null,
    created_at: record.created_at,
    tunnels: tunnels.map(tunnelView),
  };
}

/** What a scan finds, as it is printed. @module */
import type { Json } from "@synth/core";
import type { LegacyHealthStatus, TaskAppStatus } from "../health.ts";

/** The ways to find a task app. */
export type DiscoveryMethod =
  | "port_scan"
  | "service_records"
  | "tunnel_records"
  | "cloudflared_process"
  | "backend_api"
  | "registry";

/** A task app, or what stands where one should be. Names and order are those of the JSON output. */
export interface ScannedApp {
  name: string;
  url: string;
  /** `cloudflare`: reached through a tunnel. */
  type: "local" | "cloudflare";
  /** The three values of the original; {@linkcode ScannedApp.status} has five. */
  health_status: LegacyHealthStatus;
  port: number | null;
  tunnel_mode: "quick" | "managed" | null;
  tunnel_hostname: string | null;
  app_id: string | null;
  task_name: string | null;
  dataset_id: string | null;
  version: string | null;
  /** What `/info`, the records and the backend say; secrets are masked. */
  metadata: { [key: string]: Json };
  /** The best of the sources. */
  discovered_via: DiscoveryMethod;
  status: TaskAppStatus;
  /** Every source, the best first. */
  sources: DiscoveryMethod[];
  /** Whether it answers as a task app does. Others are listed because a record names them, or because all were asked for. */
  is_task_app: boolean;
  /** Id of its service record, for other commands. */
  record_id: string | null;
}

/** Numbers of a scan. `healthy + unhealthy + unknown` and `local_count + cloudflare_count` are both `total_found`. */
export interface ScanSummary {
  total_found: number;
  healthy: number;
  unhealthy: number;
  local_count: number;
  cloudflare_count: number;
  unknown: number;
  /** Count of each of the five statuses; they, too, add up. */
  statuses: Record<TaskAppStatus, number>;
  /** Open ports on which something else answers. */
  other_servers: number;
}

/** What {@linkcode scanTaskApps} gives, and `synth scan --json` prints. */
export interface ScanReport {
  apps: ScannedApp[];
  scan_summary: ScanSummary;
  schema_version: 1;
  /** `false`: the deadline came before everything was asked. */
  complete: boolean;
  duration_ms: number;
  /** One line for each source that could not be asked. No secrets. */
  warnings: string[];
}

/** A place where a task app may be, before anybody has asked. */
export interface Candidate {
  readonly url: string;
  readonly via: DiscoveryMethod;
  readonly type: "local" | "cloudflare";
  readonly port: number | null;
  readonly mode: "quick" | "managed" | null;
  readonly hostname: string | null;
  readonly appId: string | null;
  readonly metadata: { readonly [key: string]: unknown };
  /** It stands in our own records: the key may go there. */
  readonly trusted: boolean;
  readonly recordId: string | null;
}

/** What one source gave. */
export interface SourceFindings {
  readonly candidates: readonly Candidate[];
  readonly warnings: readonly string[];
}

/** What is kept of a running service. @module */

/** What a record is about. */
export type ServiceType = "local" | "tunnel" | "deployment";

/** Which process a record speaks of, so that one that got its number later is not taken for it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own terms; compared, never read. `null`: could not be found out. */
  readonly pid_started: string | null;
  /** Where its number counts: the machine and, in containers, the PID namespace. */
  readonly pid_scope: string | null;
}

/** What every record has. Names are those of the file. */
export interface ServiceRecordBase {
  /** `svc_` and random characters: a port can have several records over time. */
  readonly id: string;
  /** Where it is called. */
  readonly url: string;
  /** ISO 8601. */
  readonly created_at: string;
  /** Local port; `null` for what does not run here. */
  readonly port: number | null;
  /** Local address. */
  readonly local_host: string;
  readonly pid: number | null;
  readonly pid_started: string | null;
  readonly pid_scope: string | null;
  readonly app_id?: string;
  readonly task_app_path?: string;
  /** Of a process that writes its log to a file. */
  readonly log_file?: string;
}

/** A task app on this machine. */
export interface LocalServiceRecord extends ServiceRecordBase {
  readonly type: "local";
}

/** A tunnel to a task app on this machine; `pid` is that of `cloudflared`. */
export interface TunnelServiceRecord extends ServiceRecordBase {
  readonly type: "tunnel";
  readonly mode: "quick" | "managed";
  /** Empty while it is being opened: `url` is then that of the task app. */
  readonly hostname: string;
  /** Where `cloudflared` tells its metrics, on loopback. */
  readonly metrics_url?: string;
  /** Id of the task app's record. */
  readonly service_id?: string;
}

/** A task app that was deployed elsewhere, or put into the background here. */
export interface DeploymentServiceRecord extends ServiceRecordBase {
  readonly type: "deployment";
  /** `local`, `tunnel`, `modal`, `worker`, `deno-deploy`. */
  readonly target: string;
  /** What its user calls it. */
  readonly name?: string;
  /** Begun, and not yet known to answer. */
  readonly phase?: "starting";
  /** Modal: what is served ends with its process, what is deployed stays. */
  readonly mode?: "serve" | "deploy";
  /** What its platform knows it by. */
  readonly external_id?: string;
  /** The platform's program that deployed it. */
  readonly program?: string;
}

/** A record of a service. Members that this version does not know are kept. */
export type ServiceRecord = LocalServiceRecord | TunnelServiceRecord | DeploymentServiceRecord;

type New<R extends ServiceRecord> =
  & Omit<R, "id" | "created_at" | "pid" | "pid_started" | "pid_scope">
  & {
    /** @default {a new one} */
    readonly id?: string;
    /** `null` or absent: no process is known. Its start is found out when the record is written. */
    readonly pid?: number | null;
  };

/** A record before it is written. */
export type NewServiceRecord =
  | New<LocalServiceRecord>
  | New<TunnelServiceRecord>
  | New<DeploymentServiceRecord>;

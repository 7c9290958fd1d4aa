/** What `synth deploy run` is told, and what its steps share. @module */
import type { Logger } from "@synth/core";
import type { ServiceRecords } from "@synth/task-app/records";
import type { CliContext } from "../context.ts";
import type { Paths } from "../state/paths.ts";

/** Where a task app can be deployed. */
export type DeployRuntime = "local" | "tunnel" | "modal" | "worker" | "deno-deploy";

/** Flags of the command. */
export interface DeployFlags {
  readonly home?: string;
  readonly json: boolean;
  readonly taskApp?: string;
  readonly runtime: DeployRuntime;
  readonly name?: string;
  readonly envFile?: readonly string[];
  readonly wait: boolean;
  readonly check: boolean;
  readonly dryRun: boolean;
  readonly host: "127.0.0.1" | "localhost" | "0.0.0.0";
  readonly port?: number;
  readonly allow?: readonly string[];
  readonly tunnelMode: "quick" | "managed";
  readonly subdomain?: string;
  readonly saveEnv?: string;
  readonly baseUrl?: string;
  readonly config?: string;
  readonly modalApp?: string;
  readonly modalMode: "deploy" | "serve";
  readonly modalCli?: string;
  readonly modalCpu?: number;
  readonly modalMemory?: number;
  readonly modalTimeout?: number;
  readonly modalMinContainers?: number;
  readonly modalMaxContainers?: number;
  readonly modalVolume?: readonly string[];
  readonly modalSecret?: readonly string[];
  readonly modalDir?: readonly string[];
  readonly modalPip?: readonly string[];
  readonly out?: string;
  readonly org?: string;
}

/** What a deployment is made with. */
export interface DeployRun {
  readonly context: CliContext;
  readonly flags: DeployFlags;
  readonly paths: Paths;
  /** As it was written; `null` with `--modal-app` alone. */
  readonly file: string | null;
  /** Id of the deployment that is made. */
  readonly id: string;
  readonly name: string;
  readonly records: ServiceRecords;
  readonly log: Logger;
  /** Ends it early. */
  readonly signal: AbortSignal;
  /** Takes back what was made, unless all goes well. */
  readonly undo: AsyncDisposableStack;
}

/** What was deployed, as `--json` prints it. */
export interface Deployed {
  readonly id: string;
  readonly runtime: DeployRuntime;
  readonly name: string;
  readonly url: string;
  readonly local_url: string | null;
  readonly port: number | null;
  readonly pid: number | null;
  readonly app_id: string | null;
  readonly file: string | null;
  readonly log_file: string | null;
  readonly tunnel: {
    readonly id: string | null;
    readonly mode: string;
    readonly hostname: string;
  } | null;
  /** File with `TASK_APP_URL`. */
  readonly env_file: string | null;
  /** Whether it was seen to answer to its key. */
  readonly healthy: boolean;
}

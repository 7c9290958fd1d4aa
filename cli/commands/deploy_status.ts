/** What `synth deploy status` does. @module */
import { EXIT } from "@synth/core";
import { Deployments, type DeploymentState } from "@synth/task-app/deploy";
import { findTaskAppKey } from "../client/task_app_key.ts";
import type { CliContext } from "../context.ts";
import { printJson, say } from "../output/print.ts";
import { table } from "../output/table.ts";
import { findPaths } from "../state/paths.ts";
import { platformsOf, recordsLog } from "./deploy_platforms.ts";
import { type DeploymentView, deploymentView } from "./deploy_view.ts";

/** Flags of the command. */
export interface DeployStatusFlags {
  readonly home?: string;
  readonly json: boolean;
}

const EXIT_CODES: Readonly<Record<DeploymentState, number>> = {
  running: EXIT.ok,
  deployed: EXIT.ok,
  starting: EXIT.temporary,
  unhealthy: EXIT.checks,
  tunnel_down: EXIT.checks,
  ended: EXIT.checks,
  stopped: EXIT.checks,
  unknown: EXIT.unavailable,
};

/** Shows one deployment; the exit code says whether it is well. */
export async function runDeployStatus(
  this: CliContext,
  flags: DeployStatusFlags,
  id: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const deployments = new Deployments({
    home: paths.home,
    platforms: platformsOf(this, paths),
    log: recordsLog(this),
  });
  const apiKey = await findTaskAppKey(this, paths) ?? undefined;
  const status = await deployments.get(id, { apiKey, signal: new AbortController().signal });
  const view = deploymentView(status);
  if (flags.json) printJson(this, view);
  else this.process.stdout.write(table(rowsOf(view)));
  this.process.exitCode = EXIT_CODES[status.state];
  if (status.state === "running" && status.health === "unauthorized") {
    say(this, "It refuses this key, and its own is kept nowhere: set ENVIRONMENT_API_KEY to it");
    this.process.exitCode = EXIT.auth;
  }
}

function rowsOf(view: DeploymentView): [string, string][] {
  const rows: [string, string | number | null][] = [
    ["id", view.id],
    ["name", view.name],
    ["runtime", view.runtime],
    ["state", view.state],
    ["health", view.health],
    ["url", view.url],
    ["port", view.port],
    ["pid", view.pid],
    ["app", view.app_id],
    ["file", view.file],
    ["log", view.log_file],
    ["deployed", view.created_at],
  ];
  for (const { id, state, url } of view.tunnels) {
    rows.push(["tunnel", `${id} ${state} ${url ?? ""}`.trim()]);
  }
  return rows.flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name, String(value)]]
  );
}

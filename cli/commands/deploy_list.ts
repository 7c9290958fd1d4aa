/** What `synth deploy list` does. @module */
import { Deployments } from "@synth/task-app/deploy";
import type { CliContext } from "../context.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";
import { platformsOf, recordsLog } from "./deploy_platforms.ts";
import { deploymentView } from "./deploy_view.ts";

/** Flags of the command. */
export interface DeployListFlags {
  readonly home?: string;
  readonly json: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "NAME", cut: 1 },
  { title: "RUNTIME" },
  { title: "STATE" },
  { title: "PORT", right: true, drop: 2 },
  { title: "URL", cut: 2 },
  { title: "DEPLOYED (UTC)", drop: 1 },
];

/** Lists deployments. */
export async function runDeployList(this: CliContext, flags: DeployListFlags): Promise<void> {
  const paths = findPaths(this, flags.home);
  const deployments = new Deployments({
    home: paths.home,
    platforms: platformsOf(this, paths),
    log: recordsLog(this),
  });
  const views = (await deployments.list(new AbortController().signal)).map(deploymentView);
  if (flags.json) return printJson(this, views);
  if (views.length === 0) return say(this, "There are no deployments");
  const rows = views.map(({ id, name, runtime, state, port, url, created_at: at }) => [
    id,
    name ?? "-",
    runtime,
    state,
    port === null ? "-" : String(port),
    url ?? "-",
    at.slice(0, 16).replace("T", " "),
  ]);
  this.process.stdout.write(grid(COLUMNS, rows, this.process.stdout));
  if (views.some(({ state }) => state === "ended" || state === "stopped")) {
    say(this, "Those that ended go with synth deploy stop ID; synth deploy logs ID says why");
  }
}

/** What `synth tunnel list` does. @module */
import { TunnelStates } from "@synth/task-app/tunnels";
import type { CliContext } from "../context.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";
import { tunnelView } from "./tunnel_view.ts";

/** Flags of the command. */
export interface TunnelListFlags {
  readonly home?: string;
  readonly json: boolean;
}

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "MODE", drop: 2 },
  { title: "PORT", right: true },
  { title: "URL", cut: 1 },
  { title: "OPENED (UTC)", drop: 1 },
];

/** Lists tunnels. */
export async function runTunnelList(this: CliContext, flags: TunnelListFlags): Promise<void> {
  const { home } = findPaths(this, flags.home);
  const tunnels = (await new TunnelStates({ home }).list()).map(tunnelView);
  if (flags.json) return printJson(this, tunnels);
  if (tunnels.length === 0) return say(this, "There are no tunnels");
  const rows = tunnels.map(({ id, state, mode, port, url, created_at: at }) => [
    id,
    state,
    mode,
    port === null ? "-" : String(port),
    url ?? "-",
    at.slice(0, 16).replace("T", " "),
  ]);
  this.process.stdout.write(grid(COLUMNS, rows, this.process.stdout));
  if (tunnels.some(({ state }) => state === "ended")) {
    say(this, "Those that ended go with synth tunnel close ID; synth tunnel logs ID says why");
  }
}

/** What `synth tunnel status` does. @module */
import { EXIT } from "@synth/core";
import { checkTaskAppHealth, type TaskAppStatus } from "@synth/task-app";
import { readEnvFile } from "@synth/task-app/env-file";
import { isQuickName, TunnelStates, type TunnelStatus } from "@synth/task-app/tunnels";
import { accessHeadersOf, findTaskAppKey } from "../client/task_app_key.ts";
import type { CliContext } from "../context.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, say } from "../output/print.ts";
import { absolute, findPaths } from "../state/paths.ts";
import { tunnelView } from "./tunnel_view.ts";

/** Flags of the command. */
export interface TunnelStatusFlags {
  readonly home?: string;
  readonly json: boolean;
}

const TIMEOUT_MS = 5_000;
const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "STATE" },
  { title: "HEALTH" },
  { title: "PORT", right: true },
  { title: "URL", cut: 1 },
];

/** Checks one tunnel, or all. */
export async function runTunnelStatus(
  this: CliContext,
  flags: TunnelStatusFlags,
  id?: string,
): Promise<void> {
  const paths = findPaths(this, flags.home);
  const states = new TunnelStates({ home: paths.home });
  const tunnels = id === undefined ? await states.list() : [await states.get(id)];
  const apiKey = await findTaskAppKey(this, paths);
  const checked = await Promise.all(tunnels.map(async (tunnel) => ({
    ...tunnelView(tunnel),
    health: await healthOf(this, tunnel, apiKey),
  })));
  if (checked.some(({ health }) => health !== "healthy")) this.process.exitCode = EXIT.checks;
  if (flags.json) return printJson(this, id === undefined ? checked : checked[0]);
  if (checked.length === 0) return say(this, "There are no tunnels");
  const rows = checked.map(({ id, state, health, port, url }) => [
    id,
    state,
    health ?? "-",
    port === null ? "-" : String(port),
    url ?? "-",
  ]);
  this.process.stdout.write(grid(COLUMNS, rows, this.process.stdout));
}

/** Through the public URL; `null` where there is no program of ours behind it: the key goes to nobody else. */
async function healthOf(
  context: CliContext,
  { record, state }: TunnelStatus,
  apiKey: string | null,
): Promise<TaskAppStatus | null> {
  if (record.hostname === "" || state === "ended" || state === "unknown") return null;
  // A record that was changed by hand must not send the key elsewhere.
  const quickElsewhere = record.mode === "quick" && !isQuickName(record.hostname);
  if (record.url !== `https://${record.hostname}` || quickElsewhere) return null;
  const { status } = await checkTaskAppHealth(record.url, {
    info: false,
    timeoutMs: TIMEOUT_MS,
    headers: record.mode === "managed" ? await accessOf(context, record.url) : {},
    ...(apiKey === null ? {} : { apiKey }),
  });
  return status;
}

/** What opening has left for this very URL in `./.env`, else the environment's. */
async function accessOf(context: CliContext, url: string): Promise<Record<string, string>> {
  const stored = await readEnvFile(absolute(context, ".env")).catch(() => null);
  const kept = stored?.get("TASK_APP_URL") === url
    ? accessHeadersOf({ env: Object.fromEntries(stored) })
    : {};
  return { ...accessHeadersOf(context), ...kept };
}

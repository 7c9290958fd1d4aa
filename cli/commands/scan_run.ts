/** What `synth scan` does. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import {
  parsePortRange,
  type ScannedApp,
  type ScanOptions,
  type ScanReport,
  scanTaskApps,
} from "@synth/task-app/discovery";
import { ServiceRecords } from "@synth/task-app/records";
import { findOptionalBackend } from "../client/optional_backend.ts";
import { accessHeadersOf, findTaskAppKey } from "../client/task_app_key.ts";
import type { CliContext } from "../context.ts";
import { type Column, grid } from "../output/grid.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { findPaths } from "../state/paths.ts";

/** Flags of the command. Times are seconds. */
export interface ScanFlags {
  readonly baseUrl?: string;
  readonly config?: string;
  readonly home?: string;
  readonly json: boolean;
  readonly portRange?: string;
  readonly timeout?: number;
  readonly deadline?: number;
  readonly apiKey?: string;
  readonly sendKey: boolean;
  readonly all: boolean;
  readonly watch: boolean;
  readonly interval?: number;
  readonly failOn?: "unhealthy" | "degraded";
  readonly requireOne: boolean;
  readonly verbose: boolean;
  readonly envFile?: string;
}

const COLUMNS: readonly Column[] = [
  { title: "NAME", cut: 1 },
  { title: "PORT", right: true },
  { title: "STATUS" },
  { title: "TYPE", drop: 3 },
  { title: "APP ID", drop: 1 },
  { title: "VERSION", drop: 2 },
  { title: "URL", cut: 2 },
  { title: "DISCOVERED VIA", drop: 4 },
];
const MARKS: Readonly<Record<ScannedApp["health_status"], string>> = {
  healthy: "✓",
  unhealthy: "!",
  unknown: "?",
};
const CLEAR = "\x1b[H\x1b[2J";

/** Scans once, or until the user has seen enough. */
export async function runScan(this: CliContext, flags: ScanFlags): Promise<void> {
  const stop = new AbortController();
  const options = await scanOptions(this, flags, stop.signal);
  const stopListening = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted()));
  try {
    if (flags.watch) await watch(this, flags, options, stop.signal);
    else finish(this, flags, await scanOnce(this, flags, options));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    this.process.exitCode = EXIT.interrupted;
  } finally {
    stopListening();
  }
}

async function scanOnce(
  context: CliContext,
  flags: ScanFlags,
  options: ScanOptions,
): Promise<ScanReport> {
  const report = await scanTaskApps(options);
  if (flags.json) printJson(context, report);
  else context.process.stdout.write(tableOf(report, context));
  return report;
}

/** Scans until it is interrupted: the screen on a terminal, else one report (`--json`: one line) whenever something has changed. */
async function watch(
  context: CliContext,
  flags: ScanFlags,
  options: ScanOptions,
  signal: AbortSignal,
): Promise<void> {
  const { stdout } = context.process;
  const animated = stdout.isTerminal && !flags.json && context.env.TERM !== "dumb";
  let last = "";
  while (!signal.aborted && !stdout.gone()) {
    const report = await scanTaskApps(options);
    const news = JSON.stringify(report, withoutTimes);
    const isNew = news !== last;
    last = news;
    if (animated) stdout.write(CLEAR + tableOf(report, context));
    else if (isNew && flags.json) printLine(context, JSON.stringify(report));
    else if (isNew) stdout.write(tableOf(report, context));
    if (animated || isNew) warn(context, report);
    await systemClock.sleep((flags.interval ?? 5) * 1000, signal);
  }
}

/** What is another at every scan and every heartbeat of the registry is no change. */
function withoutTimes(name: string, value: unknown): unknown {
  return ["duration_ms", "last_seen_at", "expires_at"].includes(name) ? undefined : value;
}

/** Says what could not be asked. */
function warn(context: CliContext, report: ScanReport): void {
  for (const line of report.warnings) say(context, `warning: ${line}`);
  if (!report.complete) say(context, "warning: not everything answered before the deadline");
}

/** Says what could not be asked, and turns what was found into an exit code. */
function finish(context: CliContext, flags: ScanFlags, report: ScanReport): void {
  warn(context, report);
  const sick = report.apps.some(({ status, health_status }) =>
    flags.failOn === "degraded" ? status !== "healthy" : health_status !== "healthy"
  );
  if (flags.failOn !== undefined && sick) context.process.exitCode = EXIT.checks;
  if (flags.requireOne && report.apps.length === 0) context.process.exitCode = EXIT.notFound;
}

async function scanOptions(
  context: CliContext,
  flags: ScanFlags,
  signal: AbortSignal,
): Promise<ScanOptions> {
  const ports = parsePortRange(flags.portRange ?? "8000:8100");
  const paths = findPaths(context, flags.home);
  return {
    ports,
    signal,
    sendKey: flags.sendKey,
    all: flags.all,
    // Nobody is asked for it: a scan may run where nobody is.
    apiKey: flags.apiKey || (await findTaskAppKey(context, paths) ?? undefined),
    accessHeaders: accessHeadersOf(context),
    backend: await findOptionalBackend(context, flags, paths),
    records: new ServiceRecords({ home: paths.home }),
    ...(flags.timeout === undefined ? {} : { timeoutMs: flags.timeout * 1000 }),
    ...(flags.deadline === undefined ? {} : { deadlineMs: flags.deadline * 1000 }),
    ...(flags.verbose ? { onProgress: (line: string) => say(context, line) } : {}),
  };
}

function tableOf({ apps }: ScanReport, context: CliContext): string {
  if (apps.length === 0) return "No active task apps found\n";
  const rows = apps.map((app) => [
    app.name,
    app.port === null ? "-" : String(app.port),
    `${MARKS[app.health_status]} ${app.status}`,
    app.type,
    app.app_id ?? "-",
    app.version ?? "-",
    app.url,
    app.discovered_via,
  ]);
  const noun = apps.length === 1 ? "task app" : "task apps";
  return `Found ${apps.length} active ${noun}\n\n${grid(COLUMNS, rows, context.process.stdout)}`;
}

function interrupted(): SynthError {
  return new SynthError("Interrupted", { code: "interrupted", exitCode: EXIT.interrupted });
}

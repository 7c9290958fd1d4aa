/** What `synth deploy FILE` does. @module */
import { createLogger, EXIT, newId, SynthError } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { ServiceRecords } from "@synth/task-app/records";
import type { CliContext } from "../context.ts";
import { bold } from "../output/color.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { ensureHome } from "../state/home.ts";
import { findPaths } from "../state/paths.ts";
import type { Deployed, DeployFlags, DeployRun } from "./deploy_flags.ts";

const WORKER_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** Deploys a file; whatever fails, nothing is left of it. */
export async function runDeploy(
  this: CliContext,
  flags: DeployFlags,
  file?: string,
): Promise<void> {
  const given = fileOf(flags, file);
  refuse(flags);
  const paths = findPaths(this, flags.home);
  await ensureHome(this, paths.home);
  const log = createLogger({ write: (line) => say(this, line), level: "warn" });
  const stop = new AbortController();
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => stop.abort(interrupted()));
  const undo = new AsyncDisposableStack();
  try {
    const deployed = await deploy({
      context: this,
      flags,
      paths,
      file: given,
      id: newId("dep_"),
      name: flags.name ?? nameOf(given ?? flags.modalApp ?? "task-app"),
      records: new ServiceRecords({ home: paths.home, log }),
      log,
      signal: stop.signal,
      undo,
    });
    stop.signal.throwIfAborted();
    // From here on it is meant to stay.
    undo.move();
    if (deployed !== null) announce(this, flags, deployed);
  } catch (error) {
    await takeBack(this, undo);
    throw error;
  } finally {
    unlisten();
  }
}

/** What cannot be taken back is told, and does not hide why it had to be. */
async function takeBack(context: CliContext, undo: AsyncDisposableStack): Promise<void> {
  try {
    await undo.disposeAsync();
  } catch (fault) {
    for (const error of faultsOf(fault)) {
      const text = error instanceof Error ? error.message : String(error);
      say(context, `warning: not all that was begun is taken back: ${text}`);
    }
    say(context, `  ${context.name} deploy list shows what is left`);
  }
}

function faultsOf(fault: unknown): unknown[] {
  if (!(fault instanceof SuppressedError)) return [fault];
  return [...faultsOf(fault.suppressed), ...faultsOf(fault.error)];
}

async function deploy(run: DeployRun): Promise<Deployed | null> {
  const { runtime } = run.flags;
  if (runtime === "modal") return await (await import("./deploy_modal.ts")).deployToModal(run);
  if (runtime === "worker" || runtime === "deno-deploy") {
    return await (await import("./deploy_edge.ts")).deployToEdge(run, runtime);
  }
  return await (await import("./deploy_local.ts")).deployHere(run, runtime);
}

function announce(context: CliContext, flags: DeployFlags, deployed: Deployed): void {
  const { id, url, app_id, name, healthy } = deployed;
  const { stderr } = context.process;
  say(context, bold(`${app_id ?? name} is deployed on ${url}`, stderr));
  if (flags.host === "0.0.0.0" && deployed.port !== null) {
    say(context, "warning: other machines can reach it, without encryption");
  }
  say(context, `  ${context.name} deploy status ${id}; ${context.name} deploy stop ${id}`);
  if (flags.json) printJson(context, deployed);
  else printLine(context, url);
  if (flags.wait && !healthy) context.process.exitCode = EXIT.checks;
}

function fileOf(flags: DeployFlags, file: string | undefined): string | null {
  if (file !== undefined && flags.taskApp !== undefined && file !== flags.taskApp) {
    throw usage("The file is named twice", "Name it once, without --task-app");
  }
  const given = file ?? flags.taskApp ?? null;
  if (given === null && flags.modalApp === undefined) {
    throw usage("There is no file to deploy", "synth deploy task_app.ts --runtime local");
  }
  return given;
}

/** What does not go together. */
function refuse(flags: DeployFlags): void {
  const { runtime, dryRun, modalMode, modalApp, tunnelMode } = flags;
  if (dryRun && (runtime === "local" || runtime === "tunnel")) {
    throw usage(
      `There is nothing to show for --runtime ${runtime}`,
      "Leave --dry-run out, or use synth serve to try the file",
    );
  }
  if (runtime === "modal" && dryRun && modalMode === "serve") {
    throw usage("A dry run serves nothing", "Leave out --dry-run or --modal-mode serve");
  }
  if (runtime !== "modal" && modalApp !== undefined) {
    throw usage("--modal-app is for Modal", "Add --runtime modal");
  }
  if (runtime !== "tunnel" && flags.saveEnv !== undefined) {
    throw usage("--save-env keeps the address of a tunnel", "Add --runtime tunnel");
  }
  if (flags.subdomain !== undefined && (runtime !== "tunnel" || tunnelMode !== "managed")) {
    throw usage(
      "A quick tunnel gets a random name: --subdomain is for managed ones",
      "Add --runtime tunnel --tunnel-mode managed",
    );
  }
  if (runtime === "worker" && flags.name !== undefined && !WORKER_NAME.test(flags.name)) {
    throw usage(
      `A Worker cannot be called ${flags.name}`,
      "Cloudflare takes lower-case letters, digits and dashes: choose another --name",
    );
  }
}

/** A name that every platform takes. */
function nameOf(file: string): string {
  const stem = file.replace(/^.*[\\/]/, "").replace(/\.[A-Za-z]{1,4}$/, "");
  const name = stem.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 50).replace(/^-+|-+$/g, "");
  return name === "" ? "task-app" : name;
}

function usage(message: string, hint: string): SynthError {
  return new SynthError(message, { code: "usage", status: 400, exitCode: EXIT.usage, hint });
}

function interrupted(): SynthError {
  return new SynthError("Interrupted: what was begun is undone", {
    code: "interrupted",
    exitCode: EXIT.interrupted,
  });
}

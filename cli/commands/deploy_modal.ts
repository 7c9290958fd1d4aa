/** Deployments on Modal. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { createPrivateFile } from "@synth/core/platform";
import {
  type DeploymentFiles,
  makeDeploymentFiles,
  ModalCli,
  modalEnvironment,
  noModalUrl,
  readModalOutput,
  removeDeploymentFiles,
} from "@synth/task-app/deploy";
import { readEnvFile } from "@synth/task-app/env-file";
import { waitForHealth } from "@synth/task-app/in-process";
import { followLog, readLogTail, startDetached } from "@synth/task-app/processes";
import { printJson, say } from "../output/print.ts";
import { absolute, joinPath } from "../state/paths.ts";
import type { Deployed, DeployRun } from "./deploy_flags.ts";
import { modalFiles, secretName } from "./deploy_modal_files.ts";
import { findModal, platformEnvironment } from "./deploy_platforms.ts";
import { GRACE_MS } from "./deploy_process.ts";
import { environmentOf, realFile } from "./serve_job.ts";

/** Milliseconds for a first container to be made and to answer. */
const HEALTH_MS = 180_000;
/** Milliseconds for an image to be built and an address to be known. */
const SERVE_MS = 900_000;

/** An app that Modal runs. */
interface OnModal {
  readonly url: string;
  readonly externalId: string;
  readonly pid: number | null;
  /** Aborted when what it needs here has ended. */
  readonly gone: AbortSignal | null;
}

/** Deploys by the Modal CLI. @returns `null` for a dry run */
export async function deployToModal(run: DeployRun): Promise<Deployed | null> {
  const { context, flags, paths, id, records, undo, signal } = run;
  if (flags.dryRun) return await showScript(run);
  const program = await findModal(context, flags.modalCli);
  const { key } = await environmentOf(context, flags, paths);
  const own = flags.modalApp === undefined
    ? null
    : await realFile(absolute(context, flags.modalApp));
  undo.defer(() => removeDeploymentFiles(paths.home, id));
  const files = await makeDeploymentFiles(paths.home, id);
  const cli = new ModalCli({
    program,
    env: platformEnvironment(context),
    // Modal resolves what a script of the user's names from where it was called.
    cwd: own === null ? files.directory : context.cwd,
    print: (text) => context.process.stderr.write(text),
  });
  const script = own ?? await generate(run, cli, files, key);
  const app = flags.modalMode === "serve"
    ? await serve(run, cli, program, script, files)
    : await deploy(run, cli, script, own === null);
  if (flags.wait) {
    await waitForHealth({
      url: app.url,
      apiKey: key,
      timeoutMs: HEALTH_MS,
      signal: app.gone === null ? signal : AbortSignal.any([signal, app.gone]),
    });
  }
  const logFile = app.pid === null ? null : files.log;
  undo.defer(async () => void await records.remove(id));
  await records.add({
    id,
    type: "deployment",
    target: "modal",
    name: run.name,
    mode: flags.modalMode,
    external_id: app.externalId,
    program,
    url: app.url,
    port: null,
    local_host: "127.0.0.1",
    pid: app.pid,
    ...(run.file === null ? {} : { task_app_path: absolute(context, run.file) }),
    ...(logFile === null ? {} : { log_file: logFile }),
  });
  return {
    id,
    runtime: "modal",
    name: run.name,
    url: app.url,
    local_url: null,
    port: null,
    pid: app.pid,
    app_id: null,
    file: own ?? (run.file === null ? null : absolute(context, run.file)),
    log_file: logFile,
    tunnel: null,
    env_file: null,
    healthy: flags.wait,
  };
}

/** The script on stdout, as it would be given to Modal. */
async function showScript(run: DeployRun): Promise<null> {
  const { context, flags } = run;
  const script = flags.modalApp === undefined
    ? (await modalFiles(run)).script
    : await Deno.readTextFile(await realFile(absolute(context, flags.modalApp)));
  const secret = flags.modalApp === undefined ? secretName(run) : null;
  const command = ["modal", flags.modalMode, flags.modalApp ?? "app.py"];
  if (flags.json) printJson(context, { name: run.name, command, secret, script });
  else {
    context.process.stdout.write(script.endsWith("\n") ? script : `${script}\n`);
    if (secret !== null) {
      say(context, `ENVIRONMENT_API_KEY and the --env-file go into Modal's secret ${secret}`);
    }
    say(context, `It would be run by: ${command.join(" ")}`);
  }
  return null;
}

/** Writes the script, and gives Modal the variables that the app needs. */
async function generate(
  run: DeployRun,
  cli: ModalCli,
  { directory }: DeploymentFiles,
  key: string,
): Promise<string> {
  const { context, flags, signal } = run;
  const { script } = await modalFiles(run);
  const variables = new Map<string, string>();
  for (const path of flags.envFile ?? []) {
    for (const [name, value] of await readEnvFile(absolute(context, path))) {
      if (!variables.has(name)) variables.set(name, value);
    }
  }
  variables.set("ENVIRONMENT_API_KEY", key);
  const secrets = joinPath(context, directory, "secrets.json");
  try {
    await createPrivateFile(secrets, JSON.stringify(Object.fromEntries(variables)));
    await cli.createSecret(secretName(run), secrets, signal);
  } finally {
    await Deno.remove(secrets).catch(() => {});
  }
  const path = joinPath(context, directory, "app.py");
  await createPrivateFile(path, script);
  return path;
}

async function deploy(
  run: DeployRun,
  cli: ModalCli,
  script: string,
  generated: boolean,
): Promise<OnModal> {
  const { context, flags, name, undo, signal } = run;
  const given = generated ? name : flags.name ?? null;
  // What was there before is not ours to stop when the new version fails.
  const before = given === null ? "unknown" : await cli.state(given, signal);
  const output = await cli.deploy(script, given, signal);
  const externalId = output.deployedName ?? given ?? output.appId;
  if (externalId === null) {
    throw new SynthError("modal did not say how the app is called", {
      code: "modal_no_name",
      exitCode: EXIT.failed,
      hint: "Give it a name with --name. It may run: see modal app list",
    });
  }
  undo.defer(async () => {
    if (before === "stopped") return await cli.stop(externalId, AbortSignal.timeout(60_000));
    say(context, `note: ${externalId} stays on Modal, in its new version: modal app stop ends it`);
  });
  if (output.urls.length > 1) {
    say(context, `note: it has ${output.urls.length} addresses; ${output.url} is taken`);
  }
  return { url: output.url, externalId, pid: null, gone: null };
}

/** `modal serve` goes on as long as its process: that stays in the background. */
async function serve(
  run: DeployRun,
  cli: ModalCli,
  program: string,
  script: string,
  files: DeploymentFiles,
): Promise<OnModal> {
  const { context, name, undo, signal } = run;
  const process = await startDetached({
    program,
    args: ["serve", script],
    env: modalEnvironment(platformEnvironment(context)),
    cwd: context.cwd,
    logFile: files.log,
  });
  const gone = new AbortController();
  let appId: string | null = null;
  undo.defer(async () => {
    await process.end({ clock: systemClock, graceMs: GRACE_MS });
    // Modal notices by itself when its client is silent; this is sooner.
    if (appId !== null) await cli.stop(appId, AbortSignal.timeout(60_000));
  });
  void process.exited.then(async ({ code }) => {
    const tail = await readLogTail(files.log, 2000).catch(() => "");
    gone.abort(
      new SynthError(`modal serve ended with code ${code}: ${tail.trim()}`, {
        code: "modal_failed",
      }),
    );
  });
  const late = AbortSignal.timeout(SERVE_MS);
  let text = "";
  const goesOn = () => !gone.signal.aborted;
  const either = AbortSignal.any([signal, late]);
  for await (
    const piece of followLog(files.log, { clock: systemClock, signal: either, from: 0, goesOn })
  ) {
    context.process.stderr.write(piece);
    text += piece;
    // A line that is not over may hold half an address.
    const output = readModalOutput(text.slice(0, text.lastIndexOf("\n") + 1));
    appId = output.appId;
    const [url] = output.urls;
    if (url === undefined) continue;
    process.unref();
    return { url, externalId: appId ?? name, pid: process.pid, gone: gone.signal };
  }
  signal.throwIfAborted();
  if (late.aborted) throw noModalUrl(text);
  throw await goneReason(gone.signal);
}

function goneReason(gone: AbortSignal): Promise<unknown> {
  if (gone.aborted) return Promise.resolve(gone.reason);
  return new Promise((resolve) =>
    gone.addEventListener("abort", () => resolve(gone.reason), { once: true })
  );
}

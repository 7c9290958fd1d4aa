/** Deployments on Modal. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { createPrivateFile } from "@synth/core/platform";
import {
  type DeploymentFiles,
  makeDeploymentFiles,
  ModalCli,
  modalEnvironment,
  type ModalState,
  noModalUrl,
  readModalOutput,
  removeDeploymentFiles,
} from "@synth/task-app/deploy";
import { waitForHealth } from "@synth/task-app/in-process";
import {
  type DetachedProcess,
  followLog,
  readLogTail,
  startDetached,
} from "@synth/task-app/processes";
import { printJson, say } from "../output/print.ts";
import { absolute, joinPath } from "../state/paths.ts";
import type { Deployed, DeployRun } from "./deploy_flags.ts";
import { modalFiles, secretName } from "./deploy_modal_files.ts";
import { findModal, platformEnvironment } from "./deploy_platforms.ts";
import { GRACE_MS } from "./deploy_process.ts";
import { beginRecord, type Begun, finishRecord, nameRecord } from "./deploy_record.ts";
import { environmentOf, realFile } from "./serve_job.ts";

/** Milliseconds for a first container to be made and to answer. */
const HEALTH_MS = 180_000;
/** Milliseconds for an image to be built and an address to be known. */
const SERVE_MS = 900_000;
const UNDO_MS = 60_000;
const KEY = "ENVIRONMENT_API_KEY";
/** After these nothing has been deployed. */
const NOTHING_BEGUN = new Set(["modal_failed", "modal_not_logged_in", "program_not_runnable"]);

/** An app that Modal runs. */
interface OnModal {
  readonly url: string;
  /** `null`: Modal did not say. */
  readonly externalId: string | null;
  readonly pid: number | null;
  /** Aborted when what it needs here has ended. */
  readonly gone: AbortSignal | null;
}

/** Deploys by the Modal CLI. @returns `null` for a dry run */
export async function deployToModal(run: DeployRun): Promise<Deployed | null> {
  const { context, flags, paths, id, undo, signal } = run;
  if (flags.dryRun) return await showScript(run);
  const program = await findModal(context, flags.modalCli);
  const { key, fromFiles } = await environmentOf(context, flags, paths);
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
  const begun: Begun = {
    target: "modal",
    mode: flags.modalMode,
    program,
    ...(run.file === null ? {} : { task_app_path: absolute(context, run.file) }),
  };
  const variables = new Map([...fromFiles, [KEY, key]]);
  const script = own ?? await generate(run, cli, files, variables, begun);
  const app = flags.modalMode === "serve"
    ? await serve(run, cli, program, script, files, begun)
    : await deploy(run, cli, script, own === null, begun);
  if (flags.wait) {
    await waitForHealth({
      url: app.url,
      apiKey: key,
      timeoutMs: HEALTH_MS,
      signal: app.gone === null ? signal : AbortSignal.any([signal, app.gone]),
    });
  }
  await finishRecord(run, app);
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
    log_file: app.pid === null ? null : files.log,
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
  variables: ReadonlyMap<string, string>,
  begun: Begun,
): Promise<string> {
  const { context, records, id, signal } = run;
  const { script } = await modalFiles(run);
  // When we are killed, its stop removes the file of secrets.
  await beginRecord(run, begun);
  const secrets = joinPath(context, directory, "secrets.json");
  const path = joinPath(context, directory, "app.py");
  try {
    await createPrivateFile(path, script);
    await createPrivateFile(secrets, JSON.stringify(Object.fromEntries(variables)));
    await cli.createSecret(secretName(run), secrets, signal);
  } catch (error) {
    await records.remove(id);
    throw error;
  } finally {
    await Deno.remove(secrets).catch(() => {});
  }
  return path;
}

async function deploy(
  run: DeployRun,
  cli: ModalCli,
  script: string,
  generated: boolean,
  begun: Begun,
): Promise<OnModal> {
  const { context, flags, name, records, id, undo, signal } = run;
  const given = generated ? name : flags.name ?? null;
  let before: ModalState = "unknown";
  let externalId = given;
  let mayRun = false;
  undo.defer(async () => {
    if (mayRun && externalId !== null && before === "stopped") {
      await cli.stop(externalId, AbortSignal.timeout(UNDO_MS));
    } else if (mayRun) {
      const what = externalId ?? "the app";
      say(context, `note: ${what} stays on Modal, in its new version: modal app stop ends it`);
    }
    await records.remove(id);
  });
  // What was there before is not ours to stop when the new version fails.
  if (given !== null) before = await cli.state(given, signal);
  // Only what is known by a name can be found by it.
  if (given !== null) await beginRecord(run, { ...begun, external_id: given });
  try {
    const output = await cli.deploy(script, given, signal);
    mayRun = true;
    externalId = output.deployedName ?? given ?? output.appId;
    if (externalId === null) throw noModalName();
    if (given === null) await beginRecord(run, { ...begun, external_id: externalId });
    if (output.urls.length > 1) {
      say(context, `note: it has ${output.urls.length} addresses; ${output.url} is taken`);
    }
    return { url: output.url, externalId, pid: null, gone: null };
  } catch (error) {
    mayRun ||= !(error instanceof SynthError && NOTHING_BEGUN.has(error.code));
    throw error;
  }
}

function noModalName(): SynthError {
  return new SynthError("modal did not say how the app is called", {
    code: "modal_no_name",
    exitCode: EXIT.failed,
    hint: "Give it a name with --name. It may run: see modal app list",
  });
}

/** `modal serve` goes on as long as its process: that stays in the background. */
async function serve(
  run: DeployRun,
  cli: ModalCli,
  program: string,
  script: string,
  files: DeploymentFiles,
  begun: Begun,
): Promise<OnModal> {
  const { context, records, id, undo, signal } = run;
  let process: DetachedProcess | null = null;
  let appId: string | null = null;
  undo.defer(async () => {
    await process?.end({ clock: systemClock, graceMs: GRACE_MS });
    // Modal notices by itself when its client is silent; this is sooner.
    if (appId !== null) await cli.stop(appId, AbortSignal.timeout(UNDO_MS));
    await records.remove(id);
  });
  process = await startDetached({
    program,
    args: ["serve", script],
    env: modalEnvironment(platformEnvironment(context)),
    cwd: context.cwd,
    logFile: files.log,
  });
  const gone = new AbortController();
  await beginRecord(run, { ...begun, pid: process.pid, log_file: files.log });
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
    if (appId === null && output.appId !== null) await nameRecord(run, output.appId);
    appId = output.appId;
    const [url] = output.urls;
    if (url === undefined) continue;
    process.unref();
    return { url, externalId: appId, pid: process.pid, gone: gone.signal };
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

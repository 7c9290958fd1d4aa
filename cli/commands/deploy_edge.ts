/** Deployments at the edge: Cloudflare Workers and Deno Deploy. @module */
import { EXIT, SynthError } from "@synth/core";
import { makePrivateDirectory, readTextFile } from "@synth/core/platform";
import {
  BUNDLE_MARK,
  bundleEdge,
  denoDeployConfig,
  deploymentFiles,
  type EdgeBundle,
  removeDeploymentFiles,
  runProgram,
  wranglerConfig,
} from "@synth/task-app/deploy";
import { waitForHealth } from "@synth/task-app/in-process";
import { printJson, printLine, say } from "../output/print.ts";
import { absolute, joinPath } from "../state/paths.ts";
import { VERSION } from "../version.ts";
import type { CliContext } from "../context.ts";
import type { Deployed, DeployRun } from "./deploy_flags.ts";
import { beginRecord, finishRecord } from "./deploy_record.ts";
import { platformEnvironment, wranglerOf } from "./deploy_platforms.ts";
import { environmentOf, realFile } from "./serve_job.ts";
import { fileUrl, findConfig, findDeno } from "./serve_process.ts";

const HEALTH_MS = 60_000;
const TOOLKITS = ["@synth/task-app/edge", `jsr:@synth/task-app@${VERSION}/edge`, null];
const DENO_URL =
  /https:\/\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){0,2}\.(?:deno\.net|deno\.dev)(?![a-z0-9-]|\.[a-z0-9])/i;

const KEY = "ENVIRONMENT_API_KEY";
/** After these nothing has been uploaded. */
const NOTHING_UPLOADED = new Set([
  "wrangler_failed",
  "cloudflare_not_logged_in",
  "program_not_runnable",
]);

type EdgeRuntime = "worker" | "deno-deploy";

/** Names of the bundle and of its configuration. */
const FILES: Readonly<Record<EdgeRuntime, readonly [string, string]>> = {
  worker: ["worker.js", "wrangler.jsonc"],
  "deno-deploy": ["main.js", "deno.json"],
};

/** What was built. */
interface Built {
  readonly bundle: EdgeBundle;
  readonly directory: string;
}

/** Builds one module and uploads it. @returns `null` for a dry run */
export async function deployToEdge(run: DeployRun, runtime: EdgeRuntime): Promise<Deployed | null> {
  const { context, flags, paths, id, name, records, undo } = run;
  const file = await realFile(absolute(context, run.file ?? ""));
  const { directory } = deploymentFiles(paths.home, id);
  undo.defer(() => removeDeploymentFiles(paths.home, id));
  if (flags.dryRun) {
    const out = absolute(context, flags.out ?? `dist-${name}`);
    await orUnwritable(out, requireOwn(context, out, runtime));
    await makePrivateDirectory(directory);
    const built = await build(run, runtime, file, directory);
    await orUnwritable(out, publishFiles(context, runtime, directory, out));
    await removeDeploymentFiles(paths.home, id);
    show(run, runtime, built, out);
    return null;
  }
  const { key, fromFiles } = await environmentOf(context, flags, paths);
  requireToken(run, runtime);
  await makePrivateDirectory(directory);
  const built = await build(run, runtime, file, directory);
  undo.defer(async () => void await records.remove(id));
  await beginRecord(run, { target: runtime, external_id: name, task_app_path: file });
  const url = runtime === "worker"
    ? await uploadWorker(run, built, { ...Object.fromEntries(fromFiles), [KEY]: key })
    : await uploadToDeno(run, built);
  const healthy = flags.wait && await answers(run, runtime, url, key);
  await finishRecord(run, { url, externalId: name });
  return {
    id,
    runtime,
    name: run.name,
    url,
    local_url: null,
    port: null,
    pid: null,
    app_id: null,
    file,
    log_file: null,
    tunnel: null,
    env_file: null,
    healthy,
  };
}

async function build(
  run: DeployRun,
  runtime: EdgeRuntime,
  file: string,
  directory: string,
): Promise<Built> {
  const { context, name, flags, signal } = run;
  const [bundleName, configName] = FILES[runtime];
  const bundle = await bundleEdge({
    deno: await findDeno(context),
    fileUrl: fileUrl(file),
    fileName: file.replace(/^.*[\\/]/, ""),
    denoConfig: await findConfig(context, file),
    toolkits: TOOLKITS,
    directory,
    output: joinPath(context, directory, bundleName),
    platform: runtime === "worker" ? "worker" : "deno",
    env: platformEnvironment(context),
    signal,
  });
  const nodeFlags = bundle.nodeModules.length === 0 ? [] : ["nodejs_compat"];
  const config = runtime === "worker"
    ? wranglerConfig(name, nodeFlags)
    : denoDeployConfig(flags.org ?? null, name);
  await Deno.writeTextFile(joinPath(context, directory, configName), config);
  return { bundle, directory };
}

/** Nobody's own files are written over. */
async function requireOwn(context: CliContext, out: string, runtime: EdgeRuntime): Promise<void> {
  const [bundle, config] = FILES[runtime];
  const before = await readTextFile(joinPath(context, out, bundle));
  if (before?.startsWith(BUNDLE_MARK)) return;
  const taken = before === undefined
    ? await readTextFile(joinPath(context, out, config)) === undefined ? null : config
    : bundle;
  if (taken === null) return;
  throw new SynthError(`${out} has a ${taken} that no dry run has made`, {
    code: "out_not_empty",
    exitCode: EXIT.usage,
    hint: "Name another directory with --out",
  });
}

async function orUnwritable(out: string, work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (cause) {
    if (cause instanceof SynthError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SynthError(`${out} cannot be written: ${why}`, { code: "out_unwritable", cause });
  }
}

async function publishFiles(
  context: CliContext,
  runtime: EdgeRuntime,
  directory: string,
  out: string,
): Promise<void> {
  await Deno.mkdir(out, { recursive: true });
  for (const name of FILES[runtime]) {
    const text = await Deno.readTextFile(joinPath(context, directory, name));
    await Deno.writeTextFile(joinPath(context, out, name), text);
  }
}

/** What uploads a directory. */
function commandOf({ context, flags, name }: DeployRun, runtime: EdgeRuntime, directory: string) {
  if (runtime === "worker") {
    const config = joinPath(context, directory, FILES.worker[1]);
    return ["npx", "wrangler", "deploy", "--config", config];
  }
  const org = flags.org === undefined ? [] : ["--org", flags.org];
  return ["deno", "deploy", "--prod", "--app", name, ...org];
}

function show(
  run: DeployRun,
  runtime: EdgeRuntime,
  { bundle: { bytes, gzipBytes, nodeModules } }: Built,
  directory: string,
): void {
  const { context, flags, name } = run;
  const path = joinPath(context, directory, FILES[runtime][0]);
  const command = commandOf(run, runtime, directory);
  const words = command.join(" ");
  say(context, `${path}: ${bytes} bytes, ${gzipBytes} after gzip`);
  say(context, `Deploy it from ${directory}: ${words}`);
  say(context, "Callers need ENVIRONMENT_API_KEY, as a secret of the app there");
  if (!flags.json) printLine(context, path);
  else {
    const node = nodeModules;
    printJson(context, {
      name,
      file: path,
      directory,
      bytes,
      gzip_bytes: gzipBytes,
      node_modules: node,
      command,
    });
  }
}

/** Asked before anything is built: without it the upload cannot work. */
function requireToken({ context }: DeployRun, runtime: EdgeRuntime): void {
  const name = runtime === "worker" ? "CLOUDFLARE_API_TOKEN" : "DENO_DEPLOY_TOKEN";
  if (context.env[name]) return;
  throw new SynthError(`An upload needs ${name}`, {
    code: "platform_token_missing",
    status: 401,
    exitCode: EXIT.auth,
    hint: "Set it, or add --dry-run to build without an upload",
  });
}

async function uploadWorker(
  run: DeployRun,
  { directory }: Built,
  secrets: Readonly<Record<string, string>>,
): Promise<string> {
  const { context, paths, name, undo, signal } = run;
  const end = `npx wrangler delete --name ${name} ends it`;
  const print = (text: string) => context.process.stderr.write(text);
  const wrangler = await wranglerOf(context, paths, print);
  const config = joinPath(context, directory, FILES.worker[1]);
  let url: string;
  try {
    url = await wrangler.deploy(config, signal);
  } catch (error) {
    const no = error instanceof SynthError && NOTHING_UPLOADED.has(error.code);
    if (!no) say(context, `note: the Worker ${name} may be there: ${end}`);
    throw error;
  }
  undo.defer(() => say(context, `note: the Worker ${name} stays: ${end}`));
  await wrangler.putSecrets(name, config, secrets, signal);
  return url;
}

async function uploadToDeno(run: DeployRun, { directory }: Built): Promise<string> {
  const { context, signal } = run;
  const command = commandOf(run, "deno-deploy", directory);
  const { code, stdout, stderr } = await runProgram({
    program: await findDeno(context),
    args: command.slice(1),
    env: { ...platformEnvironment(context), NO_COLOR: "1" },
    cwd: directory,
    signal,
    print: (text) => context.process.stderr.write(text),
  });
  if (code !== 0) {
    throw new SynthError(`${command.slice(0, 2).join(" ")} ended with code ${code}`, {
      code: "deno_deploy_failed",
      hint: "What it printed says why. The app has to exist: deno deploy create makes it",
    });
  }
  const url = denoDeployUrl(`${stdout}\n${stderr}`);
  if (url !== null) return url;
  throw new SynthError("deno deploy printed no address", {
    code: "deno_deploy_no_url",
    hint: "It may be deployed: see console.deno.com",
  });
}

/** The address that `deno deploy` has printed. A revision has several, of which one for previews may come first. */
export function denoDeployUrl(text: string): string | null {
  const production = Math.max(0, text.search(/\bproduction url:/i));
  return DENO_URL.exec(text.slice(production))?.[0].toLowerCase() ?? null;
}

/** Nothing of ours sets the key on Deno Deploy: the app may still wait for it. */
async function answers(
  run: DeployRun,
  runtime: EdgeRuntime,
  url: string,
  apiKey: string,
): Promise<boolean> {
  const { context, signal } = run;
  try {
    await waitForHealth({ url, apiKey, timeoutMs: HEALTH_MS, patient: true, signal });
    return true;
  } catch (error) {
    if (runtime === "worker" || !(error instanceof SynthError) || signal.aborted) throw error;
    say(context, `warning: ${error.message}`);
    say(
      context,
      "  Set ENVIRONMENT_API_KEY, and what else the app reads, at console.deno.com, or by",
    );
    say(context, `  deno deploy env load FILE --app ${run.name}`);
    return false;
  }
}

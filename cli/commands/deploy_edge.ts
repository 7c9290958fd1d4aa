/** Deployments at the edge: Cloudflare Workers and Deno Deploy. @module */
import { EXIT, SynthError } from "@synth/core";
import { makePrivateDirectory } from "@synth/core/platform";
import {
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
import type { Deployed, DeployRun } from "./deploy_flags.ts";
import { platformEnvironment, wranglerOf } from "./deploy_platforms.ts";
import { environmentOf, realFile } from "./serve_job.ts";
import { fileUrl, findConfig, findDeno } from "./serve_process.ts";

const HEALTH_MS = 60_000;
const TOOLKITS = ["@synth/task-app/edge", `jsr:@synth/task-app@${VERSION}/edge`, null];
const DENO_URL =
  /https:\/\/[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?){0,2}\.(?:deno\.net|deno\.dev)(?![a-z0-9-]|\.[a-z0-9])/i;

type EdgeRuntime = "worker" | "deno-deploy";

/** What was built, and what uploads it. */
interface Built {
  readonly bundle: EdgeBundle;
  readonly directory: string;
  readonly command: readonly string[];
}

/** Builds one module and uploads it. @returns `null` for a dry run */
export async function deployToEdge(run: DeployRun, runtime: EdgeRuntime): Promise<Deployed | null> {
  const { context, flags, paths, id, undo } = run;
  const file = await realFile(absolute(context, run.file ?? ""));
  if (flags.dryRun) {
    const directory = absolute(context, flags.out ?? `dist-${run.name}`);
    await Deno.mkdir(directory, { recursive: true });
    return show(run, await build(run, runtime, file, directory));
  }
  const { key } = await environmentOf(context, flags, paths);
  requireToken(run, runtime);
  const { directory } = deploymentFiles(paths.home, id);
  undo.defer(() => removeDeploymentFiles(paths.home, id));
  await makePrivateDirectory(directory);
  const built = await build(run, runtime, file, directory);
  const url = runtime === "worker"
    ? await uploadWorker(run, built, key)
    : await uploadToDeno(run, built);
  const healthy = flags.wait && await answers(run, runtime, url, key);
  await record(run, runtime, file, url);
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
  const platform = runtime === "worker" ? "worker" : "deno";
  const bundle = await bundleEdge({
    deno: await findDeno(context),
    fileUrl: fileUrl(file),
    fileName: file.replace(/^.*[\\/]/, ""),
    denoConfig: await findConfig(context, file),
    toolkits: TOOLKITS,
    directory,
    output: joinPath(context, directory, runtime === "worker" ? "worker.js" : "main.js"),
    platform,
    env: platformEnvironment(context),
    signal,
  });
  if (runtime === "worker") {
    const config = joinPath(context, directory, "wrangler.jsonc");
    const nodeFlags = bundle.nodeModules.length === 0 ? [] : ["nodejs_compat"];
    await Deno.writeTextFile(config, wranglerConfig(name, nodeFlags));
    return { bundle, directory, command: ["npx", "wrangler", "deploy", "--config", config] };
  }
  const config = joinPath(context, directory, "deno.json");
  await Deno.writeTextFile(config, denoDeployConfig(flags.org ?? null, name));
  const org = flags.org === undefined ? [] : ["--org", flags.org];
  return { bundle, directory, command: ["deno", "deploy", "--prod", "--app", name, ...org] };
}

function show({ context, flags, name }: DeployRun, { bundle, directory, command }: Built): null {
  const { path, bytes, gzipBytes, nodeModules } = bundle;
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
  return null;
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
  key: string,
): Promise<string> {
  const { context, paths, name, undo, signal } = run;
  const print = (text: string) => context.process.stderr.write(text);
  const wrangler = await wranglerOf(context, paths, print);
  const url = await wrangler.deploy(joinPath(context, directory, "wrangler.jsonc"), signal);
  undo.defer(() => say(context, `note: the Worker ${name} stays: npx wrangler delete ends it`));
  await wrangler.putSecrets(name, { ENVIRONMENT_API_KEY: key }, signal);
  return url;
}

async function uploadToDeno(run: DeployRun, { directory, command }: Built): Promise<string> {
  const { context, signal } = run;
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
  const url = DENO_URL.exec(`${stdout}\n${stderr}`)?.[0];
  if (url !== undefined) return url.toLowerCase();
  throw new SynthError("deno deploy printed no address", {
    code: "deno_deploy_no_url",
    hint: "It may be deployed: see console.deno.com",
  });
}

/** Deno Deploy has no command that takes a secret from elsewhere than its arguments: the app may still wait for its key. */
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
    say(context, "  Set ENVIRONMENT_API_KEY in the app's settings at console.deno.com");
    return false;
  }
}

async function record(
  { records, id, name }: DeployRun,
  target: EdgeRuntime,
  file: string,
  url: string,
): Promise<void> {
  await records.add({
    id,
    type: "deployment",
    target,
    name,
    external_id: name,
    url,
    port: null,
    local_host: "127.0.0.1",
    pid: null,
    task_app_path: file,
  });
}

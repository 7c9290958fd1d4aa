/** Deployments on this machine, with or without a tunnel. @module */
import { EXIT, SynthError, systemClock } from "@synth/core";
import { fixedAddressOf, validateTaskApp, waitForHealth } from "@synth/task-app/in-process";
import {
  deploymentFiles,
  makeDeploymentFiles,
  removeDeploymentFiles,
} from "@synth/task-app/deploy";
import {
  type CloudflaredTunnels,
  type OpenTunnel,
  storeTunnelEnvironment,
  type TunnelContext,
} from "@synth/task-app/tunnels";
import { tunnelOpener } from "../client/tunnel_opener.ts";
import { say } from "../output/print.ts";
import { absolute } from "../state/paths.ts";
import type { Deployed, DeployRun } from "./deploy_flags.ts";
import { GRACE_MS, startApp, type StartedApp } from "./deploy_process.ts";
import { environmentOf, jobOf } from "./serve_job.ts";

const DEFAULT_PORT = 8001;
const DEFAULT_TRIES = 100;
const HEALTH_MS = 30_000;
const TUNNEL_MS = 180_000;

/** Starts the file in the background; with `tunnel`, makes it reachable from outside. */
export async function deployHere(run: DeployRun, runtime: "local" | "tunnel"): Promise<Deployed> {
  const { context, flags, paths, id, name, records, undo, signal } = run;
  const { env, key } = await environmentOf(context, flags, paths);
  const job = await jobOf(context, flags, paths, run.file ?? "", env);
  const tunnels = runtime === "tunnel"
    ? await tunnelOpener(context, { ...flags, mode: flags.tunnelMode }, paths)
    : null;
  const wanted = await wantedPort(run, tunnels);
  const files = deploymentFiles(paths.home, id);
  undo.defer(() => removeDeploymentFiles(paths.home, id));
  await makeDeploymentFiles(paths.home, id);
  const app = await startApp(job, { host: flags.host, ...wanted }, files.log);
  // Its record goes last: while it runs somebody has to be able to find it.
  undo.defer(async () => {
    await app.process.end({ clock: systemClock, graceMs: GRACE_MS });
    await records.remove(id);
  });
  await records.add({
    id,
    type: "deployment",
    target: runtime,
    name,
    phase: "starting",
    // Not known yet; nobody takes this for an address to ask.
    url: "about:blank",
    port: null,
    local_host: "127.0.0.1",
    pid: app.process.pid,
    task_app_path: job.file,
    log_file: files.log,
  });
  // From here on it can be found and ended, whatever becomes of us.
  app.process.release();
  const { port, appId } = await announcedBy(run, app);
  const localUrl = `http://127.0.0.1:${port}`;
  const alive = AbortSignal.any([signal, app.gone]);
  if (flags.wait) {
    await waitForHealth({ url: localUrl, apiKey: key, timeoutMs: HEALTH_MS, signal: alive });
    if (flags.check) await checkRoutes(localUrl, key, alive);
  }
  await records.update(id, (record) => ({
    ...record,
    url: localUrl,
    port,
    ...(appId === null ? {} : { app_id: appId }),
  }));
  const tunnel = tunnels === null ? null : await tunnels.open({
    mode: flags.tunnelMode,
    host: "127.0.0.1",
    port,
    apiKey: key,
    verify: flags.wait,
    serviceId: id,
    ...(flags.subdomain === undefined ? {} : { subdomain: flags.subdomain }),
    ...tunnelContext(run, alive),
  });
  if (tunnel !== null) undo.defer(() => tunnel.close());
  const url = tunnel?.url ?? localUrl;
  const recorded = await records.update(id, (record) => {
    if (record.type !== "deployment") return record;
    const { phase: _over, ...rest } = record;
    return { ...rest, url };
  });
  // Nothing may run that nobody can find.
  if (recorded === undefined) throw forgotten();
  alive.throwIfAborted();
  const envFile = tunnel === null ? null : await storeEnvironment(run, tunnel);
  alive.throwIfAborted();
  app.process.unref();
  return {
    id,
    runtime,
    name,
    url,
    local_url: localUrl,
    port,
    pid: app.process.pid,
    app_id: appId,
    file: job.file,
    log_file: files.log,
    tunnel: tunnel === null
      ? null
      : { id: tunnel.recordId, mode: tunnel.mode, hostname: tunnel.hostname },
    env_file: envFile,
    healthy: flags.wait,
  };
}

function forgotten(): SynthError {
  return new SynthError("Its record was removed while it was deployed", {
    code: "deployment_forgotten",
    exitCode: EXIT.failed,
    hint: "Somebody has stopped or forgotten it: deploy it again",
  });
}

/** What the app says of itself; what it printed is shown when it dies instead. */
async function announcedBy(
  { context, signal }: DeployRun,
  app: StartedApp,
): Promise<{ port: number; appId: string | null }> {
  try {
    return await app.listening(signal);
  } catch (error) {
    signal.throwIfAborted();
    const tail = await app.tail();
    if (tail !== "") say(context, tail.trimEnd());
    throw error;
  }
}

async function checkRoutes(url: string, apiKey: string, signal: AbortSignal): Promise<void> {
  await validateTaskApp((request) => {
    const { pathname, search } = new URL(request.url);
    return fetch(new Request(url + pathname + search, request), { signal, redirect: "manual" });
  }, { apiKey });
}

/** A managed tunnel that is there already leads to one port. */
async function wantedPort(
  run: DeployRun,
  tunnels: CloudflaredTunnels | null,
): Promise<{ port: number; tries: number }> {
  const { port, tunnelMode, subdomain } = run.flags;
  const plain = { port: port ?? DEFAULT_PORT, tries: port === undefined ? DEFAULT_TRIES : 1 };
  if (tunnels === null || tunnelMode !== "managed") return plain;
  const fixed = await fixedAddressOf(tunnels, {
    ...tunnelContext(run, run.signal),
    ...(subdomain === undefined ? {} : { subdomain }),
  });
  if (fixed === null) return plain;
  if (port !== undefined && port !== 0 && port !== fixed.port) {
    throw new SynthError(`The tunnel ${fixed.hostname} leads to port ${fixed.port}`, {
      code: "tunnel_port_mismatch",
      status: 409,
      exitCode: EXIT.usage,
      hint: "Leave --port out, or choose another tunnel with --subdomain",
    });
  }
  return { port: fixed.port, tries: 1 };
}

function tunnelContext(run: DeployRun, signal: AbortSignal): TunnelContext {
  const { context, log } = run;
  return {
    env: (name) => context.env[name],
    clock: systemClock,
    log,
    deadlineMs: TUNNEL_MS,
    signal,
  };
}

async function storeEnvironment(run: DeployRun, tunnel: OpenTunnel): Promise<string> {
  const { context, flags } = run;
  const path = absolute(context, flags.saveEnv ?? ".env");
  const written = await storeTunnelEnvironment(path, tunnel);
  for (const { name, shown } of written) {
    const gone = `  ${name} of the tunnel before was removed from ${path}`;
    say(context, shown === null ? gone : `  ${name}=${shown} in ${path}`);
  }
  return path;
}

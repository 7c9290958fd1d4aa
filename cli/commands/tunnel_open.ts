/** What `synth tunnel open` does. @module */
import { createLogger, EXIT, SynthError, systemClock } from "@synth/core";
import { onSignal } from "@synth/core/platform";
import { ServiceRecords } from "@synth/task-app/records";
import {
  CloudflaredTunnels,
  type OpenTunnel,
  storeTunnelEnvironment,
} from "@synth/task-app/tunnels";
import { connect } from "../client/connect.ts";
import { findTaskAppKey } from "../client/task_app_key.ts";
import type { CliContext } from "../context.ts";
import { bold } from "../output/color.ts";
import { printJson, printLine, say } from "../output/print.ts";
import { ensureHome } from "../state/home.ts";
import { absolute, findPaths, type Paths } from "../state/paths.ts";

/** Flags of the command. Times are seconds. */
export interface TunnelOpenFlags {
  readonly baseUrl?: string;
  readonly config?: string;
  readonly home?: string;
  readonly json: boolean;
  readonly port?: number;
  readonly url?: string;
  readonly file?: string;
  readonly mode: "quick" | "managed";
  readonly subdomain?: string;
  readonly create: boolean;
  readonly noWait: boolean;
  readonly foreground: boolean;
  readonly envFile?: string;
  readonly noEnvFile: boolean;
  readonly timeout?: number;
}

/** What the tunnel is to lead to. */
interface Target {
  readonly host: string;
  readonly port: number;
  readonly serviceId: string | null;
}

const DEFAULT_SECONDS = 180;

/** Opens a tunnel and leaves it in the background, or stays with it. */
export async function runTunnelOpen(this: CliContext, flags: TunnelOpenFlags): Promise<void> {
  checkFlags(flags);
  const paths = findPaths(this, flags.home);
  await ensureHome(this, paths.home);
  const target = await targetOf(this, flags, paths);
  const tunnels = await openerOf(this, flags, paths);
  const stop = new AbortController();
  let tunnel: OpenTunnel | null = null;
  const unlisten = onSignal(["SIGINT", "SIGTERM"], () => {
    // The gateway may be making one: that is waited for, to delete it.
    if (flags.mode === "managed" && tunnel === null && !stop.signal.aborted) {
      say(this, "Taking back what was begun: that can take half a minute");
    }
    stop.abort(interrupted());
  });
  try {
    tunnel = await tunnels.open({
      mode: flags.mode,
      host: target.host,
      port: target.port,
      apiKey: await findTaskAppKey(this, paths),
      verify: !flags.noWait,
      deadlineMs: (flags.timeout ?? DEFAULT_SECONDS) * 1000,
      env: (name) => this.env[name],
      clock: systemClock,
      log: createLogger({ write: (line) => say(this, line), level: "error" }),
      signal: stop.signal,
      ...(flags.subdomain === undefined ? {} : { subdomain: flags.subdomain }),
      ...(target.serviceId === null ? {} : { serviceId: target.serviceId }),
    });
    const envFile = await storeEnvironment(this, flags, tunnel);
    announce(this, flags, tunnel, target, envFile);
    if (flags.foreground) await stay(this, tunnel, stop.signal);
  } catch (error) {
    await tunnel?.close();
    if (!stop.signal.aborted) throw error;
    say(this, "Interrupted: the tunnel is closed");
    this.process.exitCode = EXIT.interrupted;
  } finally {
    unlisten();
  }
}

function checkFlags(flags: TunnelOpenFlags): void {
  const targets = [flags.port, flags.url, flags.file].filter((one) => one !== undefined);
  if (targets.length !== 1) {
    throw usage("Say where the task app is, once", "Write --port PORT, --url URL or --file FILE");
  }
  if (flags.envFile !== undefined && flags.noEnvFile) {
    throw usage("--env-file and --no-env-file cannot both be given", "Keep one of them");
  }
  if (flags.mode === "quick" && (flags.subdomain !== undefined || flags.create)) {
    throw usage(
      "A quick tunnel gets a random name: --subdomain and --create are for managed ones",
      "Add --mode managed",
    );
  }
  if (flags.create && flags.subdomain === undefined) {
    throw usage("--create needs a name", "Add --subdomain NAME");
  }
}

async function targetOf(
  context: CliContext,
  flags: TunnelOpenFlags,
  paths: Paths,
): Promise<Target> {
  const services = (await new ServiceRecords({ home: paths.home }).list())
    .filter(({ type }) => type !== "tunnel");
  const byPort = (port: number) => services.findLast((one) => one.port === port)?.id ?? null;
  if (flags.port !== undefined) {
    return { host: "127.0.0.1", port: flags.port, serviceId: byPort(flags.port) };
  }
  if (flags.url !== undefined) {
    const url = URL.parse(flags.url);
    const local = url !== null && /^(?:localhost|127(?:\.\d{1,3}){3})$/.test(url.hostname);
    const plain = local && url.protocol === "http:" && /^\/?$/.test(url.pathname) &&
      url.search === "" && url.username === "";
    if (!plain) throw usage("--url is no address of this machine", "Write http://127.0.0.1:PORT");
    const port = Number(url.port || "80");
    const host = url.hostname === "localhost" ? "127.0.0.1" : url.hostname;
    return { host, port, serviceId: byPort(port) };
  }
  const file = absolute(context, flags.file ?? "");
  const path = await Deno.realPath(file).catch(() => file);
  const service = services.findLast((one) => one.task_app_path === path);
  if (service !== undefined && service.port !== null) {
    return { host: "127.0.0.1", port: service.port, serviceId: service.id };
  }
  throw new SynthError(`Nobody serves ${path}`, {
    code: "task_app_not_served",
    exitCode: EXIT.notFound,
    hint:
      `Start it: synth serve ${flags.file}, or with its tunnel: synth serve ${flags.file} --tunnel ${flags.mode}`,
  });
}

async function openerOf(
  context: CliContext,
  flags: TunnelOpenFlags,
  paths: Paths,
): Promise<CloudflaredTunnels> {
  const common = {
    home: paths.home,
    createMissing: flags.create,
    onRetry: ({ message }: SynthError, ms: number) =>
      say(context, `${message}; trying again in ${Math.ceil(ms / 1000)} s`),
  };
  if (flags.mode === "quick") return new CloudflaredTunnels(common);
  const { url, key } = await connect(context, flags);
  return new CloudflaredTunnels({ ...common, backend: { baseUrl: url, apiKey: key.key } });
}

async function storeEnvironment(
  context: CliContext,
  flags: TunnelOpenFlags,
  tunnel: OpenTunnel,
): Promise<string | null> {
  if (flags.noEnvFile) return null;
  const path = absolute(context, flags.envFile ?? ".env");
  const written = await storeTunnelEnvironment(path, tunnel);
  for (const { name, shown } of written) {
    const gone = `${name} of the tunnel before was removed from ${path}`;
    say(context, shown === null ? gone : `${name}=${shown} was written to ${path}`);
  }
  return path;
}

function announce(
  context: CliContext,
  flags: TunnelOpenFlags,
  tunnel: OpenTunnel,
  { port }: Target,
  envFile: string | null,
): void {
  const { url, hostname, mode, recordId: id } = tunnel;
  const how = flags.noWait ? "is being opened" : "answers";
  say(context, bold(`The tunnel to port ${port} ${how}: ${url}`, context.process.stderr));
  if (!flags.foreground) say(context, `It stays open; end it with synth tunnel close ${id}`);
  if (!flags.json) return printLine(context, url);
  printJson(context, { id, url, hostname, mode, port, verified: !flags.noWait, env_file: envFile });
}

/** Until it ends by itself, or the user has had enough. */
async function stay(context: CliContext, tunnel: OpenTunnel, signal: AbortSignal): Promise<void> {
  const stopped = Promise.withResolvers<null>();
  const onAbort = () => stopped.resolve(null);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  const exit = await Promise.race([tunnel.exited, stopped.promise]);
  await tunnel.close();
  if (exit === null) return say(context, "The tunnel is closed");
  throw new SynthError(`The tunnel ended: ${exit.reason}`, {
    code: "tunnel_ended",
    exitCode: EXIT.failed,
  });
}

function usage(message: string, hint: string): SynthError {
  return new SynthError(message, { code: "usage", status: 400, exitCode: EXIT.usage, hint });
}

function interrupted(): SynthError {
  return new SynthError("Interrupted", { code: "interrupted", exitCode: EXIT.interrupted });
}

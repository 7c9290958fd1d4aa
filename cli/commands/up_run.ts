/** What `synth up` does. @module */
import { createLogger, EXIT, type Logger, SynthError, systemClock } from "@synth/core";
import { Authenticator, KeyStore, type StaticKey } from "@synth/core/auth";
import type { SynthConfig } from "@synth/core/config";
import { exit, onSignal } from "@synth/core/platform";
import {
  createGateway,
  createSealer,
  type Gateway,
  generateSealKey,
  parseSealKeys,
} from "@synth/gateway";
import {
  nodePrefixHash,
  type ServedGateway,
  serveGateway,
  undiciTransport,
} from "@synth/gateway/deno";
import type { CliContext } from "../context.ts";
import { GatheredLines } from "../output/gathered_lines.ts";
import { say } from "../output/print.ts";
import { ensureApiKey, environmentKey, type FirstKey } from "../state/api_key.ts";
import { recordGateway, removeGateway } from "../state/gateway_record.ts";
import { ensureHome } from "../state/home.ts";
import { loadForCommand } from "../state/load.ts";
import { findPaths, joinPath, type Paths } from "../state/paths.ts";
import { ensureSealKeys } from "../state/seal_keys.ts";
import { StopSignals } from "../state/stop_signals.ts";
import { openStores } from "../state/stores.ts";
import { announce } from "./up_announce.ts";

/** Flags of the command. */
export interface UpFlags {
  readonly config?: string;
  readonly home?: string;
  readonly host?: string;
  readonly port?: number;
  readonly json: boolean;
}

/** Settings that are read once, when the gateway starts. */
const FIXED = ["host", "port", "store", "store_deadline_s", "log_level"] as const;

/** Runs the gateway until a signal ends it. */
export async function runUp(this: CliContext, flags: UpFlags): Promise<void> {
  const paths = findPaths(this, flags.home);
  await ensureHome(this, paths.home);
  const load = async (): Promise<SynthConfig> => {
    const settings = { "gateway.host": flags.host, "gateway.port": flags.port };
    return (await loadForCommand(this, paths, { config: flags.config, settings })).config;
  };
  const config = await load();
  const lines = new GatheredLines((text) => this.process.stderr.write(text));
  lines.flushAtEnd();
  const log = createLogger({
    write: (line) => lines.add(line),
    level: config.gateway.log_level,
  });
  const reload = async (): Promise<SynthConfig> => {
    const fresh = await load();
    warnOfFixed(this, config, fresh);
    return fresh;
  };
  try {
    const started = await open(this, paths, config, reload, log);
    await runUntilStopped(this, flags, paths, config, started);
  } finally {
    lines.flush();
  }
}

/** A gateway that is ready to listen. */
interface Opened {
  readonly gateway: Gateway;
  readonly key: FirstKey | null;
}

async function open(
  context: CliContext,
  paths: Paths,
  config: SynthConfig,
  loadConfig: () => Promise<SynthConfig>,
  log: Logger,
): Promise<Opened> {
  const { env } = context;
  const store = await openStores(config, env, {
    state: joinPath(context, paths.home, "state.db"),
    ledger: joinPath(context, paths.home, "ledger.db"),
  });
  try {
    const keys = new KeyStore(store.documents);
    const fixed = environmentKey(env);
    const key = fixed === null ? await ensureApiKey(paths.apiKey, keys) : null;
    const staticKeys: StaticKey[] = fixed === null ? [] : [fixed];
    const sealPath = joinPath(context, paths.home, "seal_keys");
    const sealKeys = await ensureSealKeys(env, sealPath, () => generateSealKey("k1"));
    const gateway = await createGateway({
      config,
      loadConfig,
      authenticator: new Authenticator({ keys, staticKeys }),
      secrets: { env: (name) => env[name], file: (path) => Deno.readTextFile(path) },
      transport: undiciTransport(),
      store,
      documents: store.documents,
      ledger: store.ledger,
      keys,
      hasher: nodePrefixHash,
      log,
      sealer: createSealer(parseSealKeys(sealKeys)),
    });
    return { gateway, key };
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function runUntilStopped(
  context: CliContext,
  flags: UpFlags,
  paths: Paths,
  config: SynthConfig,
  { gateway, key }: Opened,
): Promise<void> {
  let server: ServedGateway;
  try {
    server = listen(gateway, config);
  } catch (error) {
    await gateway.drain(0);
    throw error;
  }
  const stopped = Promise.withResolvers<string>();
  const grace = config.gateway.shutdown_grace_s;
  const signals = new StopSignals(systemClock);
  const stopListening = [
    onSignal(["SIGINT", "SIGTERM"], (signal) => {
      if (signals.receive(signal) > 1) exit(EXIT.interrupted);
      stopped.resolve(signal);
    }),
    onHangUp(context, gateway),
  ];
  try {
    const url = reachable(server, config);
    await recordGateway(paths.gateway, {
      v: 1,
      url,
      pid: Deno.pid,
      started_at: new Date().toISOString(),
    });
    announce(context, { url, key, config, paths, json: flags.json });
    const signal = await stopped.promise;
    await removeGateway(paths.gateway, Deno.pid);
    say(
      context,
      `${signal}: open requests have ${grace} s to finish; a second signal ends them at once`,
    );
  } finally {
    await removeGateway(paths.gateway, Deno.pid);
    await server.stop(grace * 1000);
    for (const stop of stopListening) stop();
  }
}

function listen(gateway: Gateway, config: SynthConfig): ServedGateway {
  const { host, port } = config.gateway;
  try {
    return serveGateway(gateway, { hostname: host, port });
  } catch (error) {
    throw cannotListen(host, port, error);
  }
}

function cannotListen(host: string, port: number, cause: unknown): SynthError {
  const inUse = cause instanceof Deno.errors.AddrInUse;
  const why = inUse ? "is in use" : cause instanceof Error ? cause.message : String(cause);
  return new SynthError(`Cannot listen on ${host}, port ${port}: ${inUse ? "it " : ""}${why}`, {
    code: inUse ? "port_in_use" : "cannot_listen",
    hint: inUse
      ? "Choose another with --port (0 picks a free one), or stop the process that has it"
      : "Check --host and --port; ports below 1024 may need rights",
    exitCode: EXIT.unavailable,
    cause,
  });
}

/** An address that clients on this machine can call: "every address" is none. */
function reachable(server: ServedGateway, config: SynthConfig): string {
  const { host } = config.gateway;
  if (host === "0.0.0.0") return `http://127.0.0.1:${server.port}`;
  return host === "::" ? `http://[::1]:${server.port}` : server.url;
}

function onHangUp(context: CliContext, gateway: Gateway): () => void {
  if (context.os === "windows") return () => {};
  const listener = async (): Promise<void> => {
    try {
      await gateway.reload();
      say(context, "SIGHUP: the configuration was read again and is in force");
    } catch (error) {
      const text = error instanceof SynthError ? error.toCliMessage() : String(error);
      say(context, `SIGHUP: the old configuration stays in force\n${text}`);
    }
  };
  Deno.addSignalListener("SIGHUP", listener);
  return () => Deno.removeSignalListener("SIGHUP", listener);
}

function warnOfFixed(context: CliContext, old: SynthConfig, fresh: SynthConfig): void {
  const changed = FIXED.filter((name) => old.gateway[name] !== fresh.gateway[name]);
  if (changed.length === 0) return;
  const names = changed.map((name) => `gateway.${name}`).join(", ");
  say(context, `warning: ${names} changed; that takes effect when the gateway is started again`);
}

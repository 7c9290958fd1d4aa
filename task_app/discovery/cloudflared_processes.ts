/** Tunnels by the `cloudflared` processes that run: their arguments, and what their metrics servers say. @module */
import { type Clock, type Json, jsonMember, readJsonLimited } from "@synth/core";
import { eachLimited } from "./each_limited.ts";
import { isLoopbackHost, parseHttpUrl } from "./identity.ts";
import type { Candidate, SourceFindings } from "./types.ts";

/** A process and its arguments, the program's name left out. */
export interface RunningProcess {
  readonly pid: number;
  readonly args: readonly string[];
}

/** What a process was told to do. */
export interface TunnelProcess {
  readonly pid: number;
  readonly mode: "quick" | "managed";
  /** Where a quick tunnel leads; `null` for a managed one. */
  readonly port: number | null;
  /** Its metrics server, when it was named and is on loopback. */
  readonly metrics: string | null;
}

/** Where `cloudflared` listens for `GET /metrics` when nobody says where. */
const DEFAULT_METRICS = [20241, 20242, 20243, 20244, 20245].map((port) =>
  `http://127.0.0.1:${port}`
);
const MAX_BODY = 256 * 1024;
const HOSTNAME =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/;

/** Reads a command line; `null` when it is no tunnel. */
export function readTunnelProcess({ pid, args }: RunningProcess): TunnelProcess | null {
  const options = new Map<string, string>();
  const words: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    const option = /^--([a-z-]+)(?:=(.*))?$/.exec(arg);
    if (option === null) words.push(arg);
    else {
      const name = option[1] ?? "";
      const takesNext = option[2] === undefined && (name === "url" || name === "metrics");
      options.set(name, takesNext ? args[++i] ?? "" : option[2] ?? "");
    }
  }
  const metrics = loopbackUrl(options.get("metrics"));
  const tunnel = words.indexOf("tunnel");
  if (tunnel >= 0 && words.indexOf("run") > tunnel) {
    return { pid, mode: "managed", port: null, metrics };
  }
  const url = options.get("url");
  if (url === undefined) return null;
  const port = /:([0-9]{1,5})\/?$/.exec(url)?.[1];
  return { pid, mode: "quick", port: port === undefined ? null : Number(port), metrics };
}

/** What is needed to ask. */
export interface ProcessSourceOptions {
  readonly processes: (signal: AbortSignal) => Promise<RunningProcess[]>;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** Milliseconds for each request. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** @default {127.0.0.1:20241 to 20245} */
  readonly defaultMetrics?: readonly string[];
}

/** Every tunnel whose public name could be found out. */
export async function findTunnelProcesses(options: ProcessSourceOptions): Promise<SourceFindings> {
  let running: RunningProcess[];
  try {
    running = await options.processes(options.signal);
  } catch {
    return { candidates: [], warnings: ["The processes of this machine could not be listed"] };
  }
  const tunnels = running.map(readTunnelProcess).filter((tunnel) => tunnel !== null);
  const candidates: Candidate[] = [];
  const unnamed = tunnels.filter(({ metrics }) => metrics === null);
  await eachLimited(tunnels, 8, options.signal, async (tunnel) => {
    if (tunnel.metrics === null) return;
    const seen = await askMetrics(tunnel.metrics, options);
    for (const found of seen) candidates.push(candidate(tunnel, found));
  });
  if (unnamed.length > 0) {
    const servers = options.defaultMetrics ?? DEFAULT_METRICS;
    const answers = await eachLimited(
      servers,
      8,
      options.signal,
      (url) => askMetrics(url, options),
    );
    candidates.push(...assign(unnamed, answers.map((answer) => answer ?? []).flat()));
  }
  return { candidates, warnings: [] };
}

/** A public name, and the local port behind it where the metrics server says. */
interface PublicName {
  readonly hostname: string;
  readonly mode: "quick" | "managed";
  readonly port: number | null;
}

/** Pairs names with processes that did not say where their metrics are: by port, else when only one of each is left. */
function assign(tunnels: readonly TunnelProcess[], names: readonly PublicName[]): Candidate[] {
  const left = [...tunnels];
  const found: Candidate[] = [];
  const unpaired: PublicName[] = [];
  for (const name of names) {
    const at = left.findIndex(({ mode, port }) =>
      mode === name.mode && (name.port === null ? false : port === null || port === name.port)
    );
    const [tunnel] = at < 0 ? [] : left.splice(at, 1);
    if (tunnel === undefined) unpaired.push(name);
    else found.push(candidate(tunnel, name));
  }
  for (const name of unpaired) {
    const same = left.filter(({ mode }) => mode === name.mode);
    const sole = same.length === 1 && unpaired.length === 1 ? same[0] : undefined;
    found.push(candidate(sole ?? { pid: null, port: null }, name));
  }
  return found;
}

async function askMetrics(base: string, options: ProcessSourceOptions): Promise<PublicName[]> {
  const quick = jsonMember(await getJson(`${base}/quicktunnel`, options), "hostname");
  const ingress = await ingressOf(base, options);
  if (typeof quick === "string" && HOSTNAME.test(quick)) {
    return [{ hostname: quick, mode: "quick", port: ingress[0]?.port ?? null }];
  }
  return ingress.flatMap(({ hostname, port }) =>
    hostname === null ? [] : [{ hostname, mode: "managed" as const, port }]
  );
}

/** The rules of a tunnel's configuration: which name leads to which port. */
async function ingressOf(
  base: string,
  options: ProcessSourceOptions,
): Promise<{ hostname: string | null; port: number | null }[]> {
  const rules = jsonMember(
    jsonMember(await getJson(`${base}/config`, options), "config"),
    "ingress",
  );
  if (!Array.isArray(rules)) return [];
  return rules.slice(0, 100).map((rule) => {
    const [hostname, service] = [jsonMember(rule, "hostname"), jsonMember(rule, "service")];
    const port = typeof service === "string" ? /:([0-9]{1,5})\/?$/.exec(service)?.[1] : undefined;
    return {
      hostname: typeof hostname === "string" && HOSTNAME.test(hostname) ? hostname : null,
      port: port === undefined ? null : Number(port),
    };
  });
}

async function getJson(url: string, options: ProcessSourceOptions): Promise<Json> {
  const timeout = new AbortController();
  const stop = options.clock.after(options.timeoutMs, () => timeout.abort());
  try {
    const response = await options.fetch(url, {
      redirect: "manual",
      signal: AbortSignal.any([timeout.signal, options.signal]),
    });
    if (response.status === 200) {
      return await readJsonLimited(response.body, { maxBytes: MAX_BODY });
    }
    await response.body?.cancel();
  } catch {
    // Nobody there, or somebody else.
  } finally {
    stop();
  }
  return null;
}

function candidate(
  tunnel: { readonly pid: number | null; readonly port: number | null },
  { hostname, mode, port }: PublicName,
): Candidate {
  return {
    url: `https://${hostname}`,
    via: "cloudflared_process",
    type: "cloudflare",
    port: tunnel.port ?? port,
    mode,
    hostname,
    appId: null,
    metadata: tunnel.pid === null ? {} : { pid: tunnel.pid },
    trusted: false,
    recordId: null,
  };
}

function loopbackUrl(address: string | undefined): string | null {
  if (address === undefined) return null;
  const url = parseHttpUrl(`http://${address}`);
  return url !== null && isLoopbackHost(url.hostname) ? url.origin : null;
}

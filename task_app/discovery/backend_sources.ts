/** What a backend knows: its managed tunnels, and the task apps that announced themselves. @module */
import { type Json, readJsonLimited, SynthError } from "@synth/core";
import { isLoopbackHost, parseHttpUrl, plainUrl } from "./identity.ts";
import type { Candidate, SourceFindings } from "./types.ts";

/** A backend, and the key for it. */
export interface ScanBackend {
  /** Its address, without `/api` behind it. */
  readonly baseUrl: string;
  /** `SYNTH_API_KEY`: sent to this address alone. */
  readonly apiKey: string;
}

/** What is needed to ask a backend. */
export interface BackendSourceOptions {
  readonly backend: ScanBackend;
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal;
}

const MAX_BODY = 4 * 1024 * 1024;
/** No such path, or nothing behind it: a gateway on one machine has no managed tunnels. */
const ABSENT = new Set([404, 501]);
const PAGE = 1000;
const MAX_PAGES = 10;
const TUNNELS = "/api/v1/tunnels/";
const REGISTRY = "/api/v1/registry/task-apps";

/** The active tunnels of the org. */
export async function findBackendTunnels(options: BackendSourceOptions): Promise<SourceFindings> {
  return await ask(options, TUNNELS, "tunnels", (entry) => {
    const hostname = text(entry["hostname"]);
    if (entry["status"] !== "active" || hostname === null) return null;
    const url = parseHttpUrl(`https://${hostname}`);
    if (url === null) return null;
    return {
      ...base(entry),
      url: plainUrl(url),
      via: "backend_api",
      type: "cloudflare",
      port: portOf(entry["local_port"]),
      mode: "managed",
      hostname: url.hostname,
      appId: null,
    };
  });
}

/** The task apps that announced themselves and still do. */
export async function findRegisteredApps(options: BackendSourceOptions): Promise<SourceFindings> {
  return await ask(options, REGISTRY, "registry", (entry) => {
    const url = parseHttpUrl(text(entry["url"]) ?? "");
    const appId = text(entry["app_id"]);
    if (url === null || appId === null) return null;
    const mode = entry["tunnel_mode"];
    const tunnelled = mode === "quick" || mode === "managed";
    return {
      ...base(entry),
      url: plainUrl(url),
      via: "registry",
      type: tunnelled ? "cloudflare" : "local",
      port: isLoopbackHost(url.hostname) ? portOf(Number(url.port)) : null,
      mode: tunnelled ? mode : null,
      hostname: tunnelled ? url.hostname : null,
      appId,
    };
  });
}

async function ask(
  { backend, fetch: send, signal }: BackendSourceOptions,
  path: string,
  what: string,
  read: (entry: { [key: string]: Json }) => Candidate | null,
): Promise<SourceFindings> {
  const candidates: Candidate[] = [];
  const failed = (why: string): SourceFindings => ({
    candidates,
    warnings: [`The backend's ${what} could not be asked: ${why}`],
  });
  let next: URL | null = new URL(`${path}?limit=${PAGE}`, backend.baseUrl);
  try {
    for (let pages = 0; next !== null; pages++) {
      if (pages === MAX_PAGES) return failed(`it has more than ${MAX_PAGES * PAGE}`);
      const response: Response = await send(next, {
        headers: { authorization: `Bearer ${backend.apiKey}`, accept: "application/json" },
        redirect: "manual",
        signal,
      });
      if (response.status !== 200) {
        await response.body?.cancel();
        // A backend without such a thing has nothing to tell.
        const absent = ABSENT.has(response.status) && pages === 0;
        return absent ? { candidates, warnings: [] } : failed(`HTTP ${response.status}`);
      }
      const body = await readJsonLimited(response.body, { maxBytes: MAX_BODY });
      if (!Array.isArray(body)) return failed("its answer is no list");
      for (const entry of body) {
        const isObject = typeof entry === "object" && entry !== null && !Array.isArray(entry);
        const candidate = isObject ? read(entry) : null;
        if (candidate !== null) candidates.push(candidate);
      }
      next = nextPage(response, next);
    }
    return { candidates, warnings: [] };
  } catch (error) {
    if (error instanceof SynthError) return failed(error.message);
    return failed(signal.aborted ? "no answer in time" : "no connection");
  }
}

/** What `Link` names as the next page, of the same list: the key goes nowhere else. */
function nextPage(response: Response, current: URL): URL | null {
  const link = response.headers.get("link") ?? "";
  const target = /^<([^<>]{1,2048})>;[ ]*rel="?next"?$/.exec(link)?.[1];
  if (target === undefined || !URL.canParse(target, current.href)) return null;
  const url = new URL(target, current);
  return url.origin === current.origin && url.pathname === current.pathname ? url : null;
}

function base(
  metadata: { [key: string]: Json },
): Pick<Candidate, "metadata" | "trusted" | "recordId"> {
  return { metadata, trusted: false, recordId: null };
}

function text(value: Json | undefined): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function portOf(value: Json | undefined): number | null {
  const valid = typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65536;
  return valid ? value : null;
}

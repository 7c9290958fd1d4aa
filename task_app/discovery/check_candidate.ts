/** Asks one server what it is and how it is, and shows the key only to those that may see it. @module */
import {
  type Clock,
  type Json,
  jsonMember,
  readJsonLimited,
  REDACTED,
  redactJson,
  redactText,
  type SecretSet,
} from "@synth/core";
import { extractAppInfo } from "../app_info.ts";
import { checkTaskAppHealth, type TaskAppHealth } from "../health.ts";
import { isLoopbackHost } from "./identity.ts";
import type { MergedCandidate } from "./merge.ts";
import type { ScannedApp } from "./types.ts";

/** How candidates are asked. */
export interface CheckOptions {
  /** The task apps' key (`ENVIRONMENT_API_KEY`). */
  readonly apiKey: string | undefined;
  /** Whether everything that is found may see the key. */
  readonly sendKey: boolean;
  /** Headers of Cloudflare Access for tunnels of our own. */
  readonly accessHeaders: Record<string, string> | undefined;
  /** What must not be shown, wherever a server writes it: it may repeat the key that it was sent. */
  readonly secrets: SecretSet;
  readonly timeoutMs: number;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Codes with which a task app refuses a key: with one of them it has said what it is. */
const REFUSALS = new Set(["unauthorised", "missing_environment_api_key"]);
const MAX_BODY = 64 * 1024;
/** Characters of a name that is shown. */
const MAX_NAME = 256;
const SECRET_MEMBER = /(?:key|token|secret|password|credential)s?$/i;

/**
 * Asks one server. Without a key first, unless it stands in our records: a stranger who happens to listen on a port learns nothing. What says on
 * loopback, without the key, that it is a task app, is then asked with it.
 */
export async function checkCandidate(
  candidate: MergedCandidate,
  options: CheckOptions,
): Promise<ScannedApp> {
  const { apiKey } = options;
  const mayKnow = candidate.trusted || options.sendKey;
  let health = await ask(candidate, options, mayKnow);
  let greeting: Greeting | null = null;
  let known = isTaskAppHealth(health);
  // Whoever refuses us still says its name to anybody.
  if (health.status === "unauthorized" || (!known && health.status !== "unreachable")) {
    greeting = await greet(candidate.url, options);
    known ||= greeting !== null;
  }
  // What a redirect led to has spoken for itself, and not for the one that sent us there.
  const said = greeting !== null || (known && !health.redirected);
  const loopback = isLoopbackHost(new URL(candidate.url).hostname);
  if (apiKey !== undefined && !mayKnow && said && loopback && health.status === "unauthorized") {
    health = await ask(candidate, options, true);
  }
  return describe(candidate, health, known, greeting, options.secrets);
}

/** What stands in the answer when the deadline came first. */
export function uncheckedApp(candidate: MergedCandidate): ScannedApp {
  const health: TaskAppHealth = {
    status: "unreachable",
    health_status: "unknown",
    metadata: { error: "deadline" },
    health: null,
    httpStatus: null,
    redirected: false,
  };
  return describe(candidate, health, false, null, null);
}

async function ask(
  candidate: MergedCandidate,
  options: CheckOptions,
  withSecrets: boolean,
): Promise<TaskAppHealth> {
  return await checkTaskAppHealth(candidate.url, {
    timeoutMs: options.timeoutMs,
    fetch: options.fetch,
    clock: options.clock,
    signal: options.signal,
    ...(withSecrets ? { apiKey: options.apiKey } : {}),
    ...(withSecrets && candidate.mode === "managed" ? { headers: options.accessHeaders } : {}),
  });
}

/** What `GET /` of a task app says. */
interface Greeting {
  readonly service: string;
}

/** `GET /` needs no key, and a task app says there which one it is. */
async function greet(url: string, options: CheckOptions): Promise<Greeting | null> {
  const timeout = new AbortController();
  const stop = options.clock.after(options.timeoutMs, () => timeout.abort());
  try {
    const response = await options.fetch(`${url}/`, {
      headers: { accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.any([timeout.signal, options.signal]),
    });
    if (response.status !== 200) {
      await response.body?.cancel();
      return null;
    }
    const body = await readJsonLimited(response.body, { maxBytes: MAX_BODY });
    const [status, service] = [jsonMember(body, "status"), jsonMember(body, "service")];
    return typeof status === "string" && typeof service === "string" ? { service } : null;
  } catch {
    return null;
  } finally {
    stop();
  }
}

/** `/health` of a task app has `healthy` or `auth`, or refuses in the contract's words. */
function isTaskAppHealth({ health }: TaskAppHealth): boolean {
  if (health === null) return false;
  const { healthy, auth } = health;
  if (typeof healthy === "boolean") return true;
  if (typeof auth === "object" && auth !== null) return true;
  const code = jsonMember(jsonMember(jsonMember(health, "detail"), "error"), "code") ??
    jsonMember(jsonMember(health, "error"), "code");
  return typeof code === "string" && REFUSALS.has(code);
}

function describe(
  candidate: MergedCandidate,
  health: TaskAppHealth,
  known: boolean,
  greeting: Greeting | null,
  secrets: SecretSet | null,
): ScannedApp {
  const mask = (text: string) => redactText(secrets?.mask(text) ?? text);
  const shown = (text: string | null | undefined) => text ? mask(text).slice(0, MAX_NAME) : null;
  const info = extractAppInfo(health.metadata);
  const appId = shown(info.app_id) ?? candidate.appId ?? shown(greeting?.service);
  const taskName = shown(info.task_name);
  const entries = [...Object.entries(health.metadata), ...Object.entries(candidate.metadata)];
  const metadata = hideKeys(redactJson(Object.fromEntries(entries), mask));
  return {
    name: appId ?? taskName ?? fallbackName(candidate),
    url: candidate.url,
    type: candidate.type,
    health_status: health.health_status,
    port: candidate.port,
    tunnel_mode: candidate.mode,
    tunnel_hostname: candidate.hostname,
    app_id: appId,
    task_name: taskName,
    dataset_id: shown(info.dataset_id),
    version: shown(info.version),
    metadata: asObject(metadata),
    discovered_via: candidate.via,
    status: health.status,
    sources: [...candidate.sources],
    is_task_app: known || candidate.recordId !== null || candidate.via === "backend_api" ||
      candidate.via === "registry",
    record_id: candidate.recordId,
  };
}

function fallbackName({ hostname, mode, port, url }: MergedCandidate): string {
  if (hostname !== null) return mode === "managed" ? hostname.split(".")[0] ?? hostname : hostname;
  return port === null ? url : `localhost:${port}`;
}

/** The redaction of logs lets `key` and plurals stand; here every text in a member that ends so is a credential. */
function hideKeys(value: Json, hidden = false): Json {
  if (typeof value === "string") return hidden ? REDACTED : value;
  if (Array.isArray(value)) return value.map((item) => hideKeys(item, hidden));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name,
      hideKeys(inner, hidden || SECRET_MEMBER.test(name)),
    ]),
  );
}

function asObject(value: Json): { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
}

/**
 * Whether a task app is well: `GET /health`, and `GET /info` for what it is.
 *
 * ```ts
 * import { checkTaskAppHealth } from "@synth/task-app";
 *
 * const health = await checkTaskAppHealth("http://127.0.0.1:8114", { apiKey: "dev", timeoutMs: 2_000 });
 * health.status; // "healthy", "degraded", "unhealthy", "unauthorized" or "unreachable"
 * ```
 *
 * @module
 */
import {
  type Clock,
  decodeUtf8,
  type Json,
  jsonMember,
  parseJsonLimited,
  readBodyLimited,
  redactText,
  SynthError,
  systemClock,
} from "@synth/core";
import { trimSlashes } from "./urls.ts";

/** How a task app is. `degraded`: it answers, but it says of itself that it is. */
export type TaskAppStatus = "healthy" | "degraded" | "unhealthy" | "unauthorized" | "unreachable";

/** The three values of the original: what `status` becomes for its readers. */
export type LegacyHealthStatus = "healthy" | "unhealthy" | "unknown";

/** What {@linkcode checkTaskAppHealth} found. */
export interface TaskAppHealth {
  status: TaskAppStatus;
  /** For readers of the original: `degraded` is healthy, `unauthorized` unhealthy, `unreachable` unknown. */
  health_status: LegacyHealthStatus;
  /** `tunnel_error`, `http_status` or `error`, and what `/info` has, as it was answered: redact before it is shown. */
  metadata: { [key: string]: Json };
  /** What `/health` answered, when that was an object. */
  health: { [key: string]: Json } | null;
  /** The status of `/health`; `null` without an answer. */
  httpStatus: number | null;
  /** Whether redirects led to another origin than the URL's: then that one has answered. */
  redirected: boolean;
}

/** How {@linkcode checkTaskAppHealth} asks. */
export interface HealthCheckOptions {
  /** Sent as `X-API-Key`, only to where the URL itself points. */
  apiKey?: string | undefined;
  /** Other headers, such as `CF-Access-Client-Id`; sent as the key is. */
  headers?: Record<string, string> | undefined;
  /** Milliseconds for each of the two requests. @default {2_000} */
  timeoutMs?: number;
  /** Ends the check early: `unreachable`, with the error `aborted`. */
  signal?: AbortSignal | undefined;
  /** Whether to ask `/info`: after a failed `/health` it never is. @default {true} */
  info?: boolean;
  /** @default {globalThis.fetch} */
  fetch?: typeof globalThis.fetch;
  /** @default {systemClock} */
  clock?: Clock;
}

const TUNNEL_ERRORS = new Set([502, 503, 504, 530]);
const MAX_REDIRECTS = 5;
const MAX_BODY = 256 * 1024;
const HTML_ERROR = "HTML error page instead of JSON";
const LEGACY: Readonly<Record<TaskAppStatus, LegacyHealthStatus>> = {
  healthy: "healthy",
  degraded: "healthy",
  unhealthy: "unhealthy",
  unauthorized: "unhealthy",
  unreachable: "unknown",
};

/**
 * Checks a task app. Never throws; stays within twice the timeout.
 *
 * Redirects of `/health` are followed (five of them), but the key and the other headers go to the first origin alone.
 */
export async function checkTaskAppHealth(
  url: string,
  options: HealthCheckOptions = {},
): Promise<TaskAppHealth> {
  const base = trimSlashes(url);
  const found = await attempt(`${base}/health`, options, true);
  if ("error" in found) return result("unreachable", { error: found.error });
  const { answer } = found;
  const judged = judge(answer);
  if (options.info === false || judged.status === "unauthorized" || judged.status === "unhealthy") {
    return judged;
  }
  const info = await attempt(`${base}/info`, options, false);
  if ("answer" in info && info.answer.status === 200) {
    const value = parseObject(info.answer.body);
    if (value !== null) {
      // Entries, not a spread: a stranger's key may be called __proto__.
      judged.metadata = Object.fromEntries([
        ...Object.entries(judged.metadata),
        ...Object.entries(value),
      ]);
    }
  }
  return judged;
}

/** Whether a key can stand in a header and arrive as it was: printable ASCII. */
export function isSendableKey(key: string): boolean {
  return /^[\x20-\x7e]+$/.test(key);
}

/** The three values of the original for our five. */
export function legacyHealthStatus(status: TaskAppStatus): LegacyHealthStatus {
  return LEGACY[status];
}

interface Answer {
  readonly status: number;
  readonly type: string;
  /** `null`: it could not be read whole. */
  readonly body: string | null;
  /** Another origin has answered. */
  readonly redirected: boolean;
}

/** The truth table; the first line that fits counts. */
function judge(answer: Answer): TaskAppHealth {
  const { status, type, body, redirected } = answer;
  const health = parseObject(body);
  const done = (verdict: TaskAppStatus, metadata: { [key: string]: Json } = {}) => ({
    ...result(verdict, metadata),
    health,
    httpStatus: status,
    redirected,
  });
  if (TUNNEL_ERRORS.has(status)) {
    const code = errorCode(health);
    return done("unhealthy", {
      tunnel_error: `HTTP ${status}`,
      ...(code === null ? {} : { error_code: code }),
    });
  }
  if (type.includes("text/html")) return done("unhealthy", { tunnel_error: HTML_ERROR });
  if (status === 200) return done(judgeBody(health));
  // The original refuses a wrong key with 400.
  const refused = status === 401 || status === 403 ||
    (status === 400 && errorCode(health) === "unauthorised");
  return done(refused ? "unauthorized" : "unhealthy", { http_status: status });
}

function judgeBody(health: { [key: string]: Json } | null): TaskAppStatus {
  if (health === null) return "healthy";
  const word = typeof health["status"] === "string" ? health["status"].toLowerCase() : "";
  if (word === "healthy" || health["healthy"] === true) return "healthy";
  if (word === "unhealthy" || health["healthy"] === false) return "unhealthy";
  return word === "degraded" ? "degraded" : "healthy";
}

/** `error.code` of the contract's two shapes. */
function errorCode(body: { [key: string]: Json } | null): string | null {
  for (const holder of [body?.["detail"], body]) {
    const error = jsonMember(holder, "error");
    const code = jsonMember(error, "code");
    if (typeof code === "string") return code.slice(0, 64);
  }
  return null;
}

/** One GET, its redirects and its body, within one timeout. */
async function attempt(
  url: string,
  options: HealthCheckOptions,
  follow: boolean,
): Promise<{ answer: Answer } | { error: string }> {
  const clock = options.clock ?? systemClock;
  const controller = new AbortController();
  const { signal } = options;
  if (signal?.aborted) return { error: "aborted" };
  // What a header says of a value that it refuses has the value in it.
  if (options.apiKey && !isSendableKey(options.apiKey)) {
    return { error: "the API key cannot be sent: it must be ASCII without control characters" };
  }
  let why = "timeout";
  const ended = Promise.withResolvers<{ error: string }>();
  const end = (reason: string) => {
    why = reason;
    controller.abort(new Error(reason));
    ended.resolve({ error: reason });
  };
  const onAbort = () => end("aborted");
  signal?.addEventListener("abort", onAbort, { once: true });
  const stop = clock.after(options.timeoutMs ?? 2_000, () => end("timeout"));
  try {
    const got = get(url, options, follow, controller.signal).then((answer) => ({ answer }));
    got.catch(() => {});
    // A fetch that does not heed its signal must not hold up the check.
    return await Promise.race([got, ended.promise]);
  } catch (error) {
    return { error: controller.signal.aborted ? why : describe(error) };
  } finally {
    stop();
    signal?.removeEventListener("abort", onAbort);
  }
}

async function get(
  url: string,
  options: HealthCheckOptions,
  follow: boolean,
  signal: AbortSignal,
): Promise<Answer> {
  const send = options.fetch ?? globalThis.fetch;
  const { origin } = new URL(url);
  let target = url;
  for (let hops = 0;; hops++) {
    const own = new URL(target).origin === origin;
    const headers = new Headers(own ? options.headers : undefined);
    if (own && options.apiKey) headers.set("x-api-key", options.apiKey);
    headers.set("accept", "application/json");
    const response = await send(target, { headers, redirect: "manual", signal });
    const next = response.headers.get("location");
    if (follow && next !== null && [301, 302, 303, 307, 308].includes(response.status)) {
      await response.body?.cancel();
      if (hops === MAX_REDIRECTS) throw new Error("too many redirects");
      target = new URL(next, target).href;
      if (!/^https?:/.test(target)) throw new Error("a redirect to something else than HTTP");
      continue;
    }
    return await readAnswer(response, !own);
  }
}

async function readAnswer(response: Response, redirected: boolean): Promise<Answer> {
  const type = (response.headers.get("content-type") ?? "").toLowerCase();
  let body: string | null = null;
  try {
    body = decodeUtf8(await readBodyLimited(response.body, MAX_BODY));
  } catch (error) {
    // Too long, or no text: the status still says something. A connection that breaks does not.
    if (!(error instanceof SynthError)) throw error;
  }
  return { status: response.status, type, body, redirected };
}

function parseObject(text: string | null): { [key: string]: Json } | null {
  if (text === null) return null;
  try {
    const value = parseJsonLimited(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function result(status: TaskAppStatus, metadata: { [key: string]: Json }): TaskAppHealth {
  return {
    status,
    health_status: LEGACY[status],
    metadata,
    health: null,
    httpStatus: null,
    redirected: false,
  };
}

function describe(error: unknown): string {
  return redactText(error instanceof Error ? error.message : String(error)).slice(0, 500);
}

/**
 * URLs of task apps and of what they call.
 *
 * ```ts
 * import { normalizeInferenceUrl, validateTaskAppUrl } from "@synth/task-app";
 *
 * normalizeInferenceUrl("https://host?cid=t"); // "https://host/v1/chat/completions?cid=t"
 * validateTaskAppUrl("http://[::1]:8001/"); // "http://[::1]:8001"
 * ```
 *
 * @module
 */
import { SynthError } from "@synth/core";

const DEFAULT_INFERENCE_URL = "https://api.openai.com/v1/chat/completions";
const COMPLETIONS = "/chat/completions";
const MAX_URL = 8192;

/**
 * The URL of a chat completions endpoint: `/v1/chat/completions`, or what of it is missing, is added to the path; query and fragment are kept. A
 * path that was appended to the query (`?cid=x/v1/chat/completions`) is put back where it belongs.
 *
 * @param byDefault what an absent or blank URL stands for. @default {"https://api.openai.com/v1/chat/completions"}
 */
export function normalizeInferenceUrl(
  url: string | null | undefined,
  byDefault: string = DEFAULT_INFERENCE_URL,
): string {
  const text = (url ?? "").trim();
  if (text === "") return byDefault;
  const hash = text.indexOf("#");
  const fragment = hash === -1 ? "" : text.slice(hash);
  const whole = hash === -1 ? text : text.slice(0, hash);
  const mark = whole.indexOf("?");
  const base = mark === -1 ? whole : whole.slice(0, mark);
  const query = mark === -1 ? "" : whole.slice(mark + 1);
  const [kept, misplaced] = splitQuery(query);
  // A path that has begun is completed by itself: what stands in the query would only double it.
  const own = trimSlashes(base);
  const path = /\/(?:v\d{1,3}|chat|chat\/completions)$/.test(own.slice(-24))
    ? own
    : own + misplaced;
  return completePath(path) + (kept === "" ? "" : `?${kept}`) + fragment;
}

/** The parameters that a path was ever appended to; any other may well have a path for its value (`next=/v1`). */
const CORRELATION = new Set(["cid", "trace", "trace_correlation_id"]);
const MISPLACED = /(?:(?:\/v\d{1,3})?\/chat(?:\/completions)?|\/v\d{1,3})\/?$/;
/** The longest path that {@linkcode MISPLACED} can find. */
const MISPLACED_LENGTH = 24;

/** The query without a path that was appended to a correlation id, and that path. */
function splitQuery(query: string): [kept: string, path: string] {
  let path = "";
  // Behind a path that was appended, a query may have been appended as well.
  const kept = query.split(/[&?]/).map((parameter) => {
    const equals = parameter.indexOf("=");
    if (path !== "" || !CORRELATION.has(parameter.slice(0, equals))) return parameter;
    const found = MISPLACED.exec(parameter.slice(-MISPLACED_LENGTH));
    if (found === null) return parameter;
    path = found[0];
    return parameter.slice(0, parameter.length - path.length);
  });
  return path === "" ? [query, ""] : [kept.filter((parameter) => parameter !== "").join("&"), path];
}

function completePath(base: string): string {
  const path = trimSlashes(base);
  if (path.endsWith(COMPLETIONS)) return path;
  if (path.endsWith("/chat")) return `${path}/completions`;
  if (/\/v\d{1,3}$/.test(path.slice(-8))) return path + COMPLETIONS;
  return `${path}/v1${COMPLETIONS}`;
}

/**
 * The URL of a task app, without a slash at its end: http or https, any host that a URL can have (names with underscores, long top-level domains,
 * IPv4, IPv6), a port and a path if need be.
 *
 * @throws {SynthError} 400 `invalid_task_app_url` for anything else, and for credentials, a query or a fragment in it
 */
export function validateTaskAppUrl(url: string): string {
  const text = typeof url === "string" ? url.trim() : "";
  if (text === "") throw invalidUrl("It is empty");
  if (text.length > MAX_URL) throw invalidUrl(`It is longer than ${MAX_URL} characters`);
  if (!/^https?:\/\/[^/]/i.test(text)) throw invalidUrl("It must begin with http:// or https://");
  // The parser would drop these without a word, or read a backslash as a slash.
  if (/[\s\\]/.test(text) || hasControl(text)) {
    throw invalidUrl("It has a character that no URL has");
  }
  let parsed: URL;
  try {
    parsed = new URL(text);
  } catch {
    throw invalidUrl("Its host or port is not valid");
  }
  if (parsed.username !== "" || parsed.password !== "") {
    throw invalidUrl("It must not carry credentials");
  }
  if (text.includes("?") || text.includes("#")) {
    throw invalidUrl("It must have neither a query nor a fragment");
  }
  if (!isHost(parsed.hostname)) throw invalidUrl("Its host is not valid");
  return trimSlashes(text);
}

/** A URL without the slashes at its end. */
export function trimSlashes(url: string): string {
  let end = url.length;
  while (end > 0 && url.charCodeAt(end - 1) === 47) end--;
  return url.slice(0, end);
}

function isHost(hostname: string): boolean {
  if (hostname.startsWith("[")) return true;
  if (hostname.length > 253) return false;
  const labels = (hostname.endsWith(".") ? hostname.slice(0, -1) : hostname).split(".");
  return labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label));
}

function hasControl(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 32 || unit === 127) return true;
  }
  return false;
}

function invalidUrl(why: string): SynthError {
  return new SynthError(`This is not the URL of a task app. ${why}`, {
    code: "invalid_task_app_url",
    status: 400,
    param: "url",
    exitCode: 2,
    hint: "Expected something like http://127.0.0.1:8001 or https://my-app.example.com",
  });
}

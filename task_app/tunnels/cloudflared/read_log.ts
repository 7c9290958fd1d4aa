/** What a `cloudflared` said before it ended. @module */
import { redactText } from "@synth/core";

/** Why it ended, as far as its log tells. */
export interface LogVerdict {
  /** The quick service has refused, for too many tunnels were asked for. */
  readonly rateLimited: boolean;
  /** It could not listen where it was told to. */
  readonly addressInUse: boolean;
  /** The token was refused. */
  readonly unauthorized: boolean;
  /** Its last error, redacted, in one line; else its last line; `null` when it said nothing. */
  readonly message: string | null;
}

const MAX_MESSAGE = 300;

/** Reads lines of JSON and of text, in any order; an incomplete last line counts as it is. */
export function readLog(text: string): LogVerdict {
  const found = { rateLimited: false, addressInUse: false, unauthorized: false };
  let error: string | null = null;
  let last: string | null = null;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const { level, message, words } = readLine(line);
    found.rateLimited ||= isRateLimit(words);
    found.addressInUse ||= words.includes("address already in use") ||
      words.includes("only one usage of each socket address");
    found.unauthorized ||= words.includes("unauthorized") ||
      words.includes("invalid tunnel secret") ||
      words.includes("provided tunnel token is not valid");
    if (level === "error" || level === "fatal") error = message;
    last = message;
  }
  const told = error ?? last;
  return { ...found, message: told === null ? null : shorten(told) };
}

function readLine(line: string): { level: string; message: string; words: string } {
  try {
    const record = JSON.parse(line);
    if (typeof record === "object" && record !== null) {
      const text = (name: string) => typeof record[name] === "string" ? record[name] : "";
      const message = [text("message"), text("error")].filter((part) => part !== "").join(": ");
      const words = [message, text("status_code")].join(" ").toLowerCase();
      return { level: text("level"), message, words };
    }
  } catch {
    // A line of text, or half a line.
  }
  return { level: "", message: line.trim(), words: line.toLowerCase() };
}

function isRateLimit(words: string): boolean {
  if (words.includes("too many requests") || words.includes("error code: 1015")) return true;
  return /\brate.?limit/.test(words) || /\bstatus(?: code)?:? ?"?429\b/.test(words);
}

function shorten(text: string): string {
  // deno-lint-ignore no-control-regex -- they would move the cursor
  const clean = redactText(text).replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
  return clean.length > MAX_MESSAGE ? `${clean.slice(0, MAX_MESSAGE)}...` : clean;
}

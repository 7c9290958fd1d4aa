/**
 * Takes secrets out of text, headers and JSON before they reach a log, an error or a screen. Everything here takes linear time.
 *
 * ```ts
 * import { redactText, SecretSet } from "@synth/core";
 *
 * redactText("Authorization: Bearer abcdef0123456789"); // "Authorization: Bearer [redacted]"
 * const secrets = new SecretSet(["correct horse battery"]);
 * secrets.mask("it said correct horse battery"); // "it said [redacted]"
 * ```
 *
 * @module
 */
import { type Json, SynthError } from "./errors.ts";

/** What stands where a secret was. */
export const REDACTED = "[redacted]";

const MAX_DEPTH = 32;
/** Objects and arrays in one record: what refers to itself in many places would otherwise grow without end. */
const MAX_VALUES = 10_000;
/** Shorter values are words like others: masking them would garble every text. */
const MIN_SECRET_LENGTH = 6;

/** Keys by the shapes that vendors give them. No pattern can look at a character more than a few times. */
const KEY_SHAPES = new RegExp(
  "(?<![A-Za-z0-9])(?:" + [
    "(?:sk|pk|rk|csk|xai|pplx|nvapi|dapi|glpat)-[A-Za-z0-9_-]{16,}",
    "(?:sk_synth|sk_live|sk_test|rk_live|tgp_v1|github_pat|dckr_pat|whsec)_[A-Za-z0-9_-]{16,}",
    "(?:gsk|hf|r8|fw|sig|npm|qstash|gh[pousr])_[A-Za-z0-9]{16,}",
    "AIza[A-Za-z0-9_-]{30,}",
    "(?:AKIA|ASIA)[A-Z0-9]{16}",
    "xox[abeoprs]-[A-Za-z0-9-]{10,}",
  ].join("|") + ")",
  "g",
);
/** A JWT: tried only where a word begins, since the search for its dots may fail late. */
const JWT = /(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?/g;
const PEM =
  /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^]*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|$)/g;
const SCHEME_TOKEN =
  /(?<![A-Za-z0-9])(?:(bearer)([ \t]{1,8}|%20|\+)[^\s"'`,;<>\\]{6,}|(basic)([ \t]{1,8})[A-Za-z0-9+/=]{16,})/gi;
const URL_USERINFO = /:\/\/[^\s/?#"'`<>\\]*@/g;
const QUERY_PARAMETER = /([?&;])([A-Za-z0-9_.~%[\]-]{1,64})=[^&;#\s"'`<>\\]+/g;
/** A name, an assignment and perhaps a quote. The value behind it is found by hand. */
const ASSIGNMENT =
  /(?<![A-Za-z0-9_-])([A-Za-z0-9_-]{1,64})(\\?["'])?[ \t]{0,4}[:=][ \t]{0,4}(\\?["'])?/g;

const SECRET_NAMES = new Set([
  "key",
  "auth",
  "bearer",
  "jwt",
  "pwd",
  "pass",
  "sig",
  "session",
  "sid",
]);
const SECRET_ENDINGS = [
  "apikey",
  "accesskey",
  "accesskeyid",
  "privatekey",
  "secretkey",
  "signingkey",
  "sealkey",
  "sealkeys",
  "masterkey",
  "token",
  "secret",
  "password",
  "passwd",
  "passphrase",
  "authorization",
  "cookie",
  "credential",
  "credentials",
  "signature",
];

/** Answers that were given: a log asks about the same two dozen names for every request. */
const secretNames: Map<string, boolean> = new Map();
const MAX_SECRET_NAMES = 1000;

/** Whether something of this name is a secret: `authorization`, `x-api-key`, `OPENAI_API_KEY`, `refreshToken`, `Set-Cookie` ... */
export function isSecretName(name: string): boolean {
  const end = name.slice(-64);
  const known = secretNames.get(end);
  if (known !== undefined) return known;
  const plain = end.toLowerCase().replace(/[^a-z0-9]/g, "");
  const secret = SECRET_ENDINGS.some((ending) => plain.endsWith(ending));
  // Strangers can invent names.
  if (secretNames.size >= MAX_SECRET_NAMES) secretNames.clear();
  secretNames.set(end, secret);
  return secret;
}

/** A text of nothing but letters, digits, `_` and `/`, such as an id or a route: of all the patterns only those of keys fit into it. */
const PLAIN = /^[A-Za-z0-9_/]*$/;
/** No key of such a text is shorter than this: `r8_` and 16 characters. */
const MIN_PLAIN_KEY = 19;

/** Masks bearer tokens, keys of known shapes, URL userinfo, and values that stand behind a telling name. */
export function redactText(text: string): string {
  if (PLAIN.test(text)) {
    return text.length < MIN_PLAIN_KEY ? text : text.replace(KEY_SHAPES, REDACTED);
  }
  return redactAssignments(
    text.replace(PEM, REDACTED)
      .replace(URL_USERINFO, `://${REDACTED}@`)
      .replace(QUERY_PARAMETER, maskParameter)
      .replace(SCHEME_TOKEN, maskToken)
      .replace(KEY_SHAPES, REDACTED)
      .replace(JWT, REDACTED),
  );
}

/** Headers for a log: values behind telling names are masked whole, the others as text. */
export function redactHeaders(
  headers: Headers | Record<string, string> | Iterable<[string, string]>,
): Record<string, string> {
  const entries = Symbol.iterator in headers ? headers : Object.entries(headers);
  const masked: [string, string][] = [];
  for (const [name, value] of entries) {
    masked.push([name, isSecretName(name) ? REDACTED : redactText(value)]);
  }
  return Object.fromEntries(masked);
}

/**
 * A copy of any value that JSON can carry and a log may have: members with telling names are masked, texts are redacted, errors become their code,
 * message and causes, depths over 32 (and so cycles) are cut.
 *
 * @param mask what texts go through. @default {redactText}
 */
export function redactJson(value: unknown, mask: (text: string) => string = redactText): Json {
  return new Redactor(mask).value(value, 0);
}

/** Concrete secrets, registered when they are read, and masked wherever they turn up: the last line of defence. */
export class SecretSet {
  readonly #values = new Set<string>();
  #pattern: RegExp | undefined;

  constructor(values: Iterable<string> = []) {
    for (const value of values) this.add(value);
  }

  /** Registers a secret, also as it looks inside a URL and inside JSON. Values under 6 characters are not masked. */
  add(value: string): void {
    const trimmed = value.trim();
    for (
      const form of [value, trimmed, encodeForm(trimmed), JSON.stringify(trimmed).slice(1, -1)]
    ) {
      if (form.length >= MIN_SECRET_LENGTH) this.#values.add(form);
    }
    this.#pattern = undefined;
  }

  /** How many texts are looked for. */
  get size(): number {
    return this.#values.size;
  }

  /** The text without any registered secret. */
  mask(text: string): string {
    if (this.#values.size === 0) return text;
    return text.replace(this.#pattern ??= this.#compile(), REDACTED);
  }

  #compile(): RegExp {
    const longestFirst = [...this.#values].sort((a, b) => b.length - a.length);
    return new RegExp(longestFirst.map(escapePattern).join("|"), "g");
  }
}

class Redactor {
  readonly #mask: (text: string) => string;
  #left = MAX_VALUES;

  constructor(mask: (text: string) => string) {
    this.#mask = mask;
  }

  value(value: unknown, depth: number): Json {
    if (typeof value === "string") return this.#mask(value);
    if (value === null || typeof value === "boolean") return value;
    if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
    if (typeof value === "bigint") return String(value);
    if (typeof value !== "object") return null;
    if (depth >= MAX_DEPTH || --this.#left < 0) return "[cut]";
    if (value instanceof Error) return this.#error(value, depth);
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
    if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
    if (Array.isArray(value)) return value.map((item) => this.value(item, depth + 1));
    const listed = value instanceof Map || value instanceof Headers;
    return this.#members(listed ? [...value] : Object.entries(value), depth);
  }

  #members(entries: [unknown, unknown][], depth: number): Json {
    const masked: [string, Json][] = [];
    for (const [key, member] of entries) {
      if (member === undefined || typeof member === "function") continue;
      const name = String(key);
      const hidden = isSecretName(name) && member !== null && typeof member !== "boolean";
      masked.push([this.#mask(name), hidden ? REDACTED : this.value(member, depth + 1)]);
    }
    return Object.fromEntries(masked);
  }

  #error(error: Error, depth: number): Json {
    const shown: { [key: string]: Json } = {
      name: this.#mask(error.name),
      message: this.#mask(error.message),
    };
    if (error instanceof SynthError) {
      shown["code"] = error.code;
      shown["status"] = error.status;
      if (Object.keys(error.details).length > 0) {
        shown["details"] = this.value(error.details, depth + 1);
      }
    } else {
      const code: unknown = Reflect.get(error, "code");
      if (typeof code === "string") shown["code"] = this.#mask(code);
      if (error.stack !== undefined) shown["stack"] = this.#mask(error.stack);
    }
    if (error.cause !== undefined) shown["cause"] = this.value(error.cause, depth + 1);
    return shown;
  }
}

function maskParameter(whole: string, mark: string, name: string): string {
  const plain = name.toLowerCase();
  return SECRET_NAMES.has(plain) || isSecretName(name) ? `${mark}${name}=${REDACTED}` : whole;
}

function maskToken(_: string, bearer = "", gap1 = "", basic = "", gap2 = ""): string {
  return bearer + gap1 + basic + gap2 + REDACTED;
}

/** Masks the values in `api_key = x`, `"token": "x y"`, `Cookie: a=b; c=d`. Each character is passed once. */
function redactAssignments(text: string): string {
  const pattern = new RegExp(ASSIGNMENT);
  let masked = "";
  let copied = 0;
  for (let found = pattern.exec(text); found !== null; found = pattern.exec(text)) {
    const [whole, name = "", , quote] = found;
    if (!isSecretName(name)) continue;
    let start = found.index + whole.length;
    const end = endOfValue(text, start, name, quote);
    // `Bearer ` stays readable: it tells what was sent.
    const scheme = /^(?:bearer|basic) /i.exec(text.slice(start, start + 8));
    if (scheme !== null && start + scheme[0].length < end) start += scheme[0].length;
    if (end > start && !text.startsWith(REDACTED, start)) {
      masked += text.slice(copied, start) + REDACTED;
      copied = end;
    }
    pattern.lastIndex = end;
  }
  return masked + text.slice(copied);
}

/** A quoted value ends at its quote, a cookie or an authorization with its line, another value where a word ends. */
function endOfValue(text: string, start: number, name: string, quote: string | undefined): number {
  const ends = /authorization$|cookie$/i.test(name.slice(-16)) ? "\r\n\"'`" : " \t\r\n,;&\"'`";
  for (let i = start; i < text.length; i++) {
    if (quote === undefined) {
      if (ends.includes(text.charAt(i))) return i;
    } else {
      if (text.startsWith(quote, i)) return i;
      const unit = text.charCodeAt(i);
      if (unit === 10 || unit === 13) return i;
      if (unit === 92 && quote.length === 1) i++;
    }
  }
  return text.length;
}

function encodeForm(value: string): string {
  try {
    return encodeURIComponent(value);
  } catch {
    return value;
  }
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

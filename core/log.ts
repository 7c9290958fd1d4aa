/**
 * A log of JSON lines: one record a line, every text redacted, and never an error for the caller.
 *
 * ```ts
 * import { createLogger } from "@synth/core";
 *
 * const log = createLogger({ write: (line) => console.error(line) });
 * log.child({ request: "req_1" }).warn("upstream is slow", { ms: 1200 });
 * // {"time":"2025-06-15T12:00:00.000Z","level":"warn","msg":"upstream is slow","request":"req_1","ms":1200}
 * ```
 *
 * @module
 */
import { type Clock, systemClock } from "./clock.ts";
import type { Json } from "./errors.ts";
import { isSecretName, REDACTED, redactJson, redactText, type SecretSet } from "./redact.ts";

/** How grave a record is. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** Members of a record beside `time`, `level` and `msg`, which they cannot replace. Errors and whatever `redactJson` takes. */
export type LogFields = { readonly [key: string]: unknown };

/** A logger. No method ever throws. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose records have these fields too. */
  child(fields: LogFields): Logger;
  /** Whether a record of this level would be written: ask before making fields that cost something. */
  enabled(level: LogLevel): boolean;
}

/** How a logger is made. */
export interface LoggerOptions {
  /** Takes one line, without its line end. */
  write: (line: string) => void;
  /** @default {systemClock} */
  clock?: Clock;
  /** The lowest level that is written. @default {"info"} */
  level?: LogLevel;
  /** Concrete secrets to mask, wherever they turn up. */
  secrets?: SecretSet;
}

const RANK: Readonly<Record<LogLevel, number>> = { debug: 10, info: 20, warn: 30, error: 40 };
/** The longest text in a record, in UTF-16 code units. It is cut after it was redacted: half a key has no shape. */
const MAX_TEXT = 16_384;
const RESERVED = new Set(["time", "level", "msg"]);

type Members = { [name: string]: Json };

/** Makes a logger. */
export function createLogger(options: LoggerOptions): Logger {
  return new JsonLogger(options, {});
}

/** A logger that writes nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
  enabled: () => false,
};

class JsonLogger implements Logger {
  readonly #options: LoggerOptions;
  readonly #least: number;
  /** Members of this logger's parents and its own, already redacted. */
  readonly #own: Members;

  constructor(options: LoggerOptions, own: Members) {
    this.#options = options;
    this.#least = RANK[options.level ?? "info"];
    this.#own = own;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", message, fields);
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", message, fields);
  }

  child(fields: LogFields): Logger {
    const own = { ...this.#own };
    this.#add(own, fields);
    return new JsonLogger(this.#options, own);
  }

  enabled(level: LogLevel): boolean {
    return RANK[level] >= this.#least;
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (RANK[level] < this.#least) return;
    try {
      const time = new Date((this.#options.clock ?? systemClock).now()).toISOString();
      const record: Members = { time, level, msg: this.#clean(String(message)), ...this.#own };
      if (fields !== undefined) this.#add(record, fields);
      this.#options.write(JSON.stringify(record).replace(/[\u0085\u2028\u2029]/g, escapeUnit));
    } catch {
      // A log that is full or closed must not take the request with it.
    }
  }

  /** Redacts fields into a record. A member takes the place of its parent's. */
  #add(record: Members, fields: LogFields): void {
    try {
      const members = asMembers(fields);
      for (const key of Object.keys(members)) {
        const value = members[key];
        if (value === undefined || typeof value === "function" || RESERVED.has(key)) continue;
        const secret = isSecretName(key) && value !== null && typeof value !== "boolean";
        const name = this.#clean(key);
        const shown = secret ? REDACTED : this.#value(value);
        if (name === "__proto__") defineMember(record, name, shown);
        else record[name] = shown;
      }
    } catch {
      record["fields"] = "[not readable]";
    }
  }

  #value(value: unknown): Json {
    if (typeof value === "string") return this.#clean(value);
    if (typeof value === "number" && Number.isFinite(value)) return value;
    return redactJson(value, (text) => this.#clean(text));
  }

  #clean(text: string): string {
    const clean = redactText(this.#options.secrets?.mask(text) ?? text);
    return clean.length > MAX_TEXT
      ? `${clean.slice(0, MAX_TEXT)}... [${clean.length - MAX_TEXT} more]`
      : clean;
  }
}

/** What is handed over as fields and keeps its members elsewhere: an error, a map. The texts in it are redacted later. */
function asMembers(fields: LogFields): LogFields {
  const plain = !(fields instanceof Error || fields instanceof Map || fields instanceof Headers);
  return plain ? fields : redactJson(fields, (text) => text) as LogFields;
}

/** Assigned, this name would change what the record is. */
function defineMember(record: Members, name: string, value: Json): void {
  Object.defineProperty(record, name, { value, enumerable: true, configurable: true });
}

function escapeUnit(unit: string): string {
  return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
}

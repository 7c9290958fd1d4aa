/** Parses JSON that a stranger sent: bounded in depth and in the number of values, without `__proto__`. @module */
import { SynthError } from "@synth/core";

/** Limits of {@linkcode parseJson}. */
export interface JsonLimits {
  /** Deepest nesting of arrays and objects. */
  readonly maxDepth: number;
  /** Most elements of one array. @default {8192} */
  readonly maxItems?: number;
  /** Most values in all. @default {1_000_000} */
  readonly maxValues?: number;
}

/** Up to this size a depth bomb costs less than looking for it. */
const SMALL_BYTES = 64 * 1024;

/**
 * Decodes and parses.
 *
 * @throws {SynthError} 400 `invalid_json`, `json_too_deep`, `too_many_items`, `forbidden_key`
 */
export function parseJson(bytes: Uint8Array, limits: JsonLimits): unknown {
  if (bytes.length > SMALL_BYTES) checkDepth(bytes, limits.maxDepth);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's own message quotes the text, which may hold a secret.
    throw new SynthError(
      bytes.length === 0 ? "The body is empty" : "The body is not valid JSON in UTF-8",
      { code: "invalid_json", status: 400 },
    );
  }
  checkValue(value, limits);
  return value;
}

/** Before the parser builds what is nested: counts brackets outside strings. */
function checkDepth(bytes: Uint8Array, maxDepth: number): void {
  let depth = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x22) {
      i = endOfString(bytes, i + 1);
    } else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) throw tooDeep(maxDepth);
    } else if (byte === 0x5d || byte === 0x7d) {
      depth--;
    }
  }
}

/** The index of the quote that ends the string. */
function endOfString(bytes: Uint8Array, from: number): number {
  let at = bytes.indexOf(0x22, from);
  while (at !== -1) {
    let slashes = 0;
    while (bytes[at - 1 - slashes] === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
    at = bytes.indexOf(0x22, at + 1);
  }
  return bytes.length;
}

function checkValue(root: unknown, limits: JsonLimits): void {
  const maxItems = limits.maxItems ?? 8192;
  let left = limits.maxValues ?? 1_000_000;
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value !== "object" || value === null) continue;
      if (depth >= limits.maxDepth) throw tooDeep(limits.maxDepth);
      if (Array.isArray(value)) {
        if (value.length > maxItems) throw tooMany(maxItems);
        left -= value.length;
        for (const item of value) if (typeof item === "object") next.push(item);
      } else {
        for (const key in value) {
          if (key === "__proto__") throw forbidden();
          left--;
          const member = (value as Record<string, unknown>)[key];
          if (typeof member === "object") next.push(member);
        }
      }
      if (left < 0) throw tooMany(limits.maxValues ?? 1_000_000);
    }
    level = next;
  }
}

function tooDeep(limit: number): SynthError {
  return new SynthError(`The JSON is nested deeper than ${limit} levels`, {
    code: "json_too_deep",
    status: 400,
    details: { limit },
  });
}

function tooMany(limit: number): SynthError {
  return new SynthError(`The JSON has more than ${limit} values in one place`, {
    code: "too_many_items",
    status: 400,
    details: { limit },
  });
}

function forbidden(): SynthError {
  return new SynthError('The JSON has a key named "__proto__"', {
    code: "forbidden_key",
    status: 400,
  });
}

import { type Json, SynthError } from "./errors.ts";
import { findFault } from "./json_fault.ts";

/** Limits on a JSON text. */
export interface JsonLimits {
  /** How deep arrays and objects may nest. @default {64} */
  maxDepth?: number;
  /** How many elements and members there may be in all. @default {200_000} */
  maxItems?: number;
  /**
   * What becomes of an object with a member named `__proto__`. `JSON.parse` makes it an own property, harmless until it is assigned to another
   * object. @default {"refuse"}
   */
  protoKeys?: "refuse" | "keep";
}

const QUOTE = 34;
const BACKSLASH = 92;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;
const OPEN_BRACE = 123;
const CLOSE_BRACE = 125;
const COMMA = 44;

/** An object's own member; `undefined` when it has none of this name, and for anything that is no object. */
export function jsonMember(value: Json | undefined, name: string): Json | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/**
 * Parses JSON that a stranger wrote. Nesting and size are checked by one linear scan before anything is built.
 *
 * What the callers should know: of duplicate keys the last counts (so never forward the text that was checked, but the value that was parsed);
 * numbers beyond a double's range become `Infinity`, which schemas refuse.
 *
 * @throws {SynthError} 400 `invalid_json` (with `position`), `json_too_deep`, `json_too_many_items`, `json_unsafe_key`. No message has a piece of the text.
 */
export function parseJsonLimited(text: string, limits: JsonLimits = {}): Json {
  scan(text, limits.maxDepth ?? 64, limits.maxItems ?? 200_000);
  let value: Json;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidJson(text);
  }
  if (limits.protoKeys !== "keep" && mayHaveProto(text)) refuseProto(value, "");
  return value;
}

/** Counts depth and items outside of strings. It need not know whether the text is valid: the parser will. */
function scan(text: string, maxDepth: number, maxItems: number): void {
  let depth = 0;
  let items = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === QUOTE) {
      i = endOfString(text, i);
    } else if (unit === OPEN_BRACE || unit === OPEN_BRACKET) {
      items++;
      if (++depth > maxDepth) throw tooDeep(maxDepth, i);
    } else if (unit === CLOSE_BRACE || unit === CLOSE_BRACKET) {
      depth--;
    } else if (unit === COMMA && ++items > maxItems) {
      throw tooMany(maxItems, i);
    }
  }
  if (items > maxItems) throw tooMany(maxItems, text.length);
}

/** The index of the quote that ends the string which starts at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end !== -1) {
    let slashes = 0;
    while (text.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
  return text.length;
}

/** Whether a key of this text could be `__proto__`, spelled out or with an escape in it. */
function mayHaveProto(text: string): boolean {
  return text.includes("__proto__") || /\\u00(?:5f|70|72|6f|74)/i.test(text);
}

function refuseProto(value: Json, path: string): void {
  if (typeof value !== "object" || value === null) return;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) refuseProto(value[i] ?? null, `${path}[${i}]`);
    return;
  }
  if (Object.hasOwn(value, "__proto__")) {
    throw new SynthError("An object has a member named __proto__", {
      code: "json_unsafe_key",
      status: 400,
      ...(path === "" ? {} : { param: path.slice(0, 256) }),
    });
  }
  for (const [key, member] of Object.entries(value)) {
    refuseProto(member, path === "" ? key : `${path}.${key}`);
  }
}

/** The engine quotes the text around the fault in its message: what was said is left out, where is found again. */
function invalidJson(text: string): SynthError {
  const position = findFault(text);
  return new SynthError(`The body is not valid JSON (at position ${position})`, {
    code: "invalid_json",
    status: 400,
    details: { position },
  });
}

function tooDeep(maxDepth: number, position: number): SynthError {
  return new SynthError(`The JSON nests deeper than ${maxDepth} levels`, {
    code: "json_too_deep",
    status: 400,
    details: { max_depth: maxDepth, position },
  });
}

function tooMany(maxItems: number, position: number): SynthError {
  return new SynthError(`The JSON has more than ${maxItems} items`, {
    code: "json_too_many_items",
    status: 400,
    details: { max_items: maxItems, position },
  });
}

/** The free text of a custom tool, taken out of the JSON arguments that carry it while they still arrive. @module */

type State = "start" | "live" | "ended" | "whole";

const HEAD = /^\s*\{\s*"input"\s*:\s*"/;
/** No head is longer: what does not match by then is decoded whole, at the end. */
const MAX_HEAD = 256;

/**
 * Decodes `{"input":"..."}` piece by piece. Everything else (another key, a bare string, no JSON at all) waits for the
 * end and comes out whole. Mistakes of models (raw line breaks, unknown escapes, a missing end) are let through.
 */
export class InputDecoder {
  #state: State = "start";
  /** Undecided text: the head while `start`, half an escape while `live`, everything while `whole`. */
  #held = "";

  /** The decoded text that this piece of the arguments brought. */
  push(piece: string): string {
    if (this.#state === "ended") return "";
    if (this.#state === "live") return this.#decode(this.#held + piece);
    this.#held += piece;
    if (this.#state === "whole") return "";
    const head = HEAD.exec(this.#held.slice(0, MAX_HEAD));
    if (head !== null) {
      this.#state = "live";
      return this.#decode(this.#held.slice(head[0].length));
    }
    if (this.#held.length >= MAX_HEAD) this.#state = "whole";
    return "";
  }

  /** What is left at the end of the arguments. */
  end(): string {
    const held = this.#held;
    const state = this.#state;
    this.#state = "ended";
    this.#held = "";
    if (state === "ended") return "";
    return state === "live" ? held : decodeWhole(held);
  }

  #decode(text: string): string {
    this.#held = "";
    let out = "";
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0x22) {
        this.#state = "ended";
        return out + text.slice(from, i);
      }
      if (code !== 0x5c) continue;
      out += text.slice(from, i);
      const escape = readEscape(text, i);
      if (escape === null) {
        this.#held = text.slice(i);
        return out;
      }
      out += escape.text;
      i += escape.length - 1;
      from = i + 1;
    }
    return out + text.slice(from);
  }
}

const ESCAPES = new Map([
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ['"', '"'],
  ["\\", "\\"],
  ["/", "/"],
]);

/** The escape at `at`, or `null` when its end has not arrived. */
function readEscape(text: string, at: number): { text: string; length: number } | null {
  const letter = text[at + 1];
  if (letter === undefined) return null;
  if (letter === "u") {
    const digits = text.slice(at + 2, at + 6);
    if (/^[0-9a-fA-F]{4}$/.test(digits)) {
      return { text: String.fromCharCode(parseInt(digits, 16)), length: 6 };
    }
    if (/^[0-9a-fA-F]{0,3}$/.test(digits) && at + 2 + digits.length === text.length) return null;
    return { text: "\\u", length: 2 };
  }
  return { text: ESCAPES.get(letter) ?? "\\" + letter, length: 2 };
}

function decodeWhole(raw: string): string {
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return raw;
  }
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return raw;
  const entries = new Map<string, unknown>(Object.entries(value));
  for (const key of ["input", "patch", "text"]) {
    const text = entries.get(key);
    if (typeof text === "string") return text;
  }
  const [only] = entries.values();
  return entries.size === 1 && typeof only === "string" ? only : raw;
}

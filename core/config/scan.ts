/**
 * Reads a TOML text for what a parser hides: where each key stands, keys that are given twice, integers that a double
 * cannot hold, and names that JavaScript objects treat as their own. Values are left to the parser.
 *
 * @module
 */
import { type OpenTable, TableTree } from "./scan_tables.ts";

/** A place in a text; both start at 1, columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A key or an element of a list. */
export type ConfigPath = readonly (string | number)[];

/** Something that is wrong with the text itself. */
export interface ScanProblem extends Position {
  readonly code: "syntax" | "duplicate_key" | "unsafe_integer" | "forbidden_key";
  readonly message: string;
}

/** What {@linkcode scanToml} found. */
export interface Scan {
  /** Where each table, key and element stands, by {@linkcode pathKey}. */
  readonly positions: ReadonlyMap<string, Position>;
  /** In the order of the text; after a `syntax` problem the rest was not read. */
  readonly problems: readonly ScanProblem[];
}

const FORBIDDEN: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
const INTEGER = /^(?:[+-]?[0-9][0-9_]*|0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+)$/;
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ["b", "\b"],
  ["t", "\t"],
  ["n", "\n"],
  ["f", "\f"],
  ["r", "\r"],
  ["e", "\x1b"],
  ['"', '"'],
  ["\\", "\\"],
]);
const MAX_DEPTH = 100;

/** The string that a path has as a key of a map. */
export function pathKey(path: ConfigPath): string {
  return JSON.stringify(path);
}

/** Scans a whole text. Never throws for its content. */
export function scanToml(text: string): Scan {
  const scanner = new Scanner(text);
  try {
    scanner.document();
  } catch (error) {
    if (!(error instanceof SyntaxFault)) throw error;
    scanner.report("syntax", error.message, error.at);
  }
  return { positions: scanner.positions, problems: scanner.problems };
}

class SyntaxFault extends Error {
  readonly at: number;
  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}

class Scanner {
  readonly positions: Map<string, Position> = new Map();
  readonly problems: ScanProblem[] = [];
  readonly #text: string;
  readonly #lineStarts: number[] = [0];
  readonly #tables = new TableTree();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
    for (let i = text.indexOf("\n"); i !== -1; i = text.indexOf("\n", i + 1)) {
      this.#lineStarts.push(i + 1);
    }
  }

  report(code: ScanProblem["code"], message: string, at: number): void {
    this.problems.push({ code, message, ...this.#position(at) });
  }

  document(): void {
    let table: OpenTable = this.#tables.root;
    while (true) {
      this.#skipBlank(true);
      if (this.#at >= this.#text.length) return;
      if (this.#peek() === "[") table = this.#header();
      else this.#assignment(table, 0);
      this.#skipBlank(false);
      if (this.#at < this.#text.length && this.#peek() !== "\n") {
        this.#fail("Expected the end of the line");
      }
    }
  }

  #header(): OpenTable {
    const list = this.#text.startsWith("[[", this.#at);
    this.#at += list ? 2 : 1;
    const { keys, at } = this.#keys();
    const close = list ? "]]" : "]";
    if (!this.#text.startsWith(close, this.#at)) this.#fail(`Expected "${close}"`);
    this.#at += close.length;
    const table = this.#tables.open(keys, list);
    if (table === null) return this.#duplicate(keys, at);
    for (let i = table.path.length; i > 0; i--) this.#mark(table.path.slice(0, i), at);
    return table;
  }

  #assignment(table: OpenTable, depth: number): void {
    const { keys, at } = this.#keys();
    if (this.#peek() !== "=") this.#fail('Expected "=" after a key');
    this.#at++;
    this.#skipSpaces();
    const target = this.#tables.assign(table, keys) ?? this.#duplicate(keys, at);
    for (let i = keys.length - 1; i > 0; i--) {
      this.#mark([...table.path, ...keys.slice(0, i)], at);
    }
    this.#mark(target.path, at);
    this.#value(target, depth);
  }

  #value(target: OpenTable, depth: number): void {
    if (depth > MAX_DEPTH) this.#fail("Nested too deeply");
    const char = this.#peek();
    if (char === '"' || char === "'") this.#string(true);
    else if (char === "[") this.#array(target, depth);
    else if (char === "{") this.#inlineTable(target, depth);
    else this.#scalar();
  }

  #array(target: OpenTable, depth: number): void {
    this.#at++;
    for (let i = 0;; i++) {
      this.#skipBlank(true);
      if (this.#take("]")) return;
      const path = [...target.path, i];
      this.#mark(path, this.#at);
      this.#value(this.#tables.detached(path), depth + 1);
      this.#skipBlank(true);
      if (this.#take("]")) return;
      if (!this.#take(",")) this.#fail('Expected "," or "]"');
    }
  }

  #inlineTable(target: OpenTable, depth: number): void {
    this.#at++;
    while (true) {
      this.#skipBlank(true);
      if (this.#take("}")) return;
      this.#assignment(target, depth + 1);
      this.#skipBlank(true);
      if (this.#take("}")) return;
      if (!this.#take(",")) this.#fail('Expected "," or "}"');
    }
  }

  #scalar(): void {
    const start = this.#at;
    while (this.#at < this.#text.length && !/[,\]}#\n]/.test(this.#peek())) this.#at++;
    const token = this.#text.slice(start, this.#at).trim();
    if (token === "") this.#fail("Expected a value");
    if (!INTEGER.test(token)) return;
    const digits = token.replaceAll("_", "").replace(/^[+-]/, "");
    if (digits === "" || /^0[xob]$/.test(digits)) return;
    if (BigInt(digits) > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.report("unsafe_integer", "The integer is larger than 2^53-1", start);
    }
  }

  #keys(): { keys: string[]; at: number } {
    this.#skipSpaces();
    const at = this.#at;
    const keys: string[] = [];
    do {
      this.#skipSpaces();
      const start = this.#at;
      const key = this.#key();
      if (FORBIDDEN.has(key)) {
        this.report("forbidden_key", `The name "${key}" is not allowed`, start);
      }
      keys.push(key);
      this.#skipSpaces();
    } while (this.#take("."));
    return { keys, at };
  }

  #key(): string {
    const char = this.#peek();
    if (char === '"' || char === "'") return this.#string(false);
    const start = this.#at;
    while (/[A-Za-z0-9_-]/.test(this.#peek())) this.#at++;
    if (this.#at === start) this.#fail("Expected a key");
    return this.#text.slice(start, this.#at);
  }

  /** Reads a string; with `multiline`, three quotes open one that spans lines. */
  #string(multiline: boolean): string {
    const start = this.#at;
    const quote = this.#peek();
    const long = multiline && this.#text.startsWith(quote.repeat(3), start);
    this.#at += long ? 3 : 1;
    const parts: string[] = [];
    while (true) {
      const char = this.#peek();
      if (char === "" || (char === "\n" && !long)) {
        throw new SyntaxFault("The string is not closed", start);
      }
      this.#at++;
      if (char === quote && (!long || this.#text.startsWith(quote + quote, this.#at))) break;
      parts.push(char === "\\" && quote === '"' ? this.#escape() : char);
    }
    if (long) {
      this.#at += 2;
      // Up to two quotes may stand right before the closing three.
      for (let i = 0; i < 2 && this.#peek() === quote; i++) this.#at++;
    }
    return parts.join("");
  }

  #escape(): string {
    const char = this.#peek();
    this.#at++;
    const digits = char === "u" ? 4 : char === "U" ? 8 : char === "x" ? 2 : 0;
    if (digits === 0) return ESCAPES.get(char) ?? char;
    const hex = this.#text.slice(this.#at, this.#at + digits);
    const code = /^[0-9A-Fa-f]+$/.test(hex) && hex.length === digits ? parseInt(hex, 16) : -1;
    if (code < 0 || code > 0x10ffff) this.#fail("Not a Unicode escape");
    this.#at += digits;
    return String.fromCodePoint(code);
  }

  #skipSpaces(): void {
    while (this.#peek() === " " || this.#peek() === "\t") this.#at++;
  }

  /** Skips spaces and a comment; with `lines`, line ends too. */
  #skipBlank(lines: boolean): void {
    while (true) {
      this.#skipSpaces();
      if (this.#peek() === "#") {
        const end = this.#text.indexOf("\n", this.#at);
        this.#at = end === -1 ? this.#text.length : end;
      } else if (this.#text.startsWith("\r\n", this.#at)) {
        this.#at++;
      }
      if (!lines || this.#peek() !== "\n") return;
      this.#at++;
    }
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #mark(path: ConfigPath, at: number): void {
    const key = pathKey(path);
    if (!this.positions.has(key)) this.positions.set(key, this.#position(at));
  }

  #duplicate(keys: readonly string[], at: number): OpenTable {
    this.report("duplicate_key", `"${keys.join(".")}" is given twice`, at);
    return this.#tables.detached(keys);
  }

  #fail(message: string): never {
    throw new SyntaxFault(message, this.#at);
  }

  #position(at: number): Position {
    let low = 0;
    let high = this.#lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#lineStarts[middle] ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: at - (this.#lineStarts[low] ?? 0) + 1 };
  }
}

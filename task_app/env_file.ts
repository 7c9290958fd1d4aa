/**
 * Files of environment variables (`.env`): read without being executed, changed without losing a line.
 *
 * ```ts
 * import { maskSecret, parseEnvFile, setEnvVariable } from "@synth/task-app/env-file";
 *
 * const text = setEnvVariable("export PORT=1 # local\n", "PORT", "8114");
 * parseEnvFile(text).get("PORT"); // "8114"
 * maskSecret("sk_env_0123456789abcdef"); // "sk_...def"
 * ```
 *
 * @module
 */
import { EXIT, SynthError } from "@synth/core";
import { readTextFile, replacePrivateFile } from "@synth/core/platform";

/** One assignment in a text. */
interface Assignment {
  readonly key: string;
  readonly value: string;
  /** Where the value with its quotes begins and ends. */
  readonly start: number;
  readonly end: number;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** The head of a line that assigns something. Sticky: it is tried at the start of a line. */
const HEAD = /[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*/y;
/** Values that need no quotes. */
const PLAIN = /^[A-Za-z0-9_\-./:@+=]+$/;
/** Shorter secrets are not shown at all: six characters would be too much of them. */
const SHOWN_FROM = 16;

/**
 * Reads the variables. Blank lines, comments, `export`, one pair of quotes and comments behind a value are understood; quoted values may go over
 * several lines; `\n`, `\r`, `\t`, `\"` and `\\` count between double quotes. Nothing is expanded. Of several assignments the last counts.
 */
export function parseEnvFile(text: string): Map<string, string> {
  return new Map(assignments(text).map(({ key, value }) => [key, value]));
}

/**
 * The text with this variable: every assignment of it gets the new value, keeping its indentation and `export`; without one a line is added.
 *
 * @throws {SynthError} `env_name_invalid`, `env_value_invalid`; `env_file_broken` where quotes that are not closed let no line be read as it is meant
 */
export function setEnvVariable(text: string, key: string, value: string): string {
  if (!NAME.test(key)) {
    throw new SynthError(`${JSON.stringify(key)} is no name of a variable`, {
      code: "env_name_invalid",
      exitCode: EXIT.usage,
      hint: "Use letters, digits and _, and no digit first",
    });
  }
  if (value.includes("\0")) {
    throw new SynthError(`The value of ${key} holds a NUL character`, {
      code: "env_value_invalid",
      exitCode: EXIT.usage,
    });
  }
  const before = parseEnvFile(text);
  before.set(key, value);
  // A quote that somebody left open further up may swallow a quoted value: then other quotes, or a place in front of it.
  for (const quoted of [quote(value), otherQuote(value)]) {
    for (const change of [inPlace, inFront]) {
      const changed = change(text, key, quoted);
      if (sameVariables(parseEnvFile(changed), before)) return changed;
    }
  }
  throw broken(`${key} cannot be set`);
}

/**
 * The text without this variable: every line that assigns it is gone, the others are as they were.
 *
 * @throws {SynthError} `env_file_broken`, as {@linkcode setEnvVariable}
 */
export function removeEnvVariable(text: string, key: string): string {
  const before = parseEnvFile(text);
  if (!before.delete(key)) return text;
  const changed = without(text, key);
  if (sameVariables(parseEnvFile(changed), before)) return changed;
  throw broken(`${key} cannot be removed`);
}

function broken(what: string): SynthError {
  return new SynthError(`${what}: a quote in the file is not closed`, {
    code: "env_file_broken",
    exitCode: EXIT.usage,
    hint: "Close it, or remove its line",
  });
}

/** Every assignment gets the new value; without one a line is added. */
function inPlace(text: string, key: string, quoted: string): string {
  const found = assignments(text).filter((one) => one.key === key);
  if (found.length === 0) {
    const newline = newlineOf(text);
    const gap = text === "" || text.endsWith("\n") ? "" : newline;
    return `${text}${gap}${key}=${quoted}${newline}`;
  }
  let changed = "";
  let copied = 0;
  for (const { start, end } of found) {
    changed += text.slice(copied, start) + quoted;
    copied = end;
  }
  return changed + text.slice(copied);
}

/** The first line assigns it, and no other does. */
function inFront(text: string, key: string, quoted: string): string {
  return `${key}=${quoted}${newlineOf(text)}${without(text, key)}`;
}

/** The text without the lines that assign it. */
function without(text: string, key: string): string {
  let kept = "";
  let copied = text.startsWith("\ufeff") ? 1 : 0;
  for (const { key: name, start, end } of assignments(text)) {
    if (name !== key) continue;
    const line = text.lastIndexOf("\n", start - 1) + 1;
    kept += text.slice(copied, Math.max(line, copied));
    copied = Math.min(lineEnd(text, end) + 1, text.length);
  }
  return kept + text.slice(copied);
}

function newlineOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}

function sameVariables(one: Map<string, string>, two: Map<string, string>): boolean {
  return one.size === two.size && [...one].every(([name, value]) => two.get(name) === value);
}

/**
 * Reads a file of variables.
 *
 * @throws {SynthError} `env_file_not_found`, exit code 3; `env_file_unreadable`
 */
export async function readEnvFile(path: string): Promise<Map<string, string>> {
  const text = await read(path);
  if (text !== undefined) return parseEnvFile(text);
  throw new SynthError(`There is no file ${path}`, {
    code: "env_file_not_found",
    status: 404,
    hint: "Check the path of the env file",
  });
}

/**
 * Sets a variable in a file, whole or not at all. A new file (and the directories above it) is its owner's alone; one that is there keeps its mode,
 * and a link stays a link.
 *
 * @throws {SynthError} as {@linkcode setEnvVariable}, and `env_file_unreadable`, `env_file_unwritable`
 */
export async function writeEnvVariable(path: string, key: string, value: string): Promise<void> {
  await changeEnvFile(path, (text) => setEnvVariable(text, key, value));
}

/**
 * Changes the text of a file, whole or not at all, as {@linkcode writeEnvVariable} does.
 *
 * @param options.onlyOwner nobody else can read it afterwards, whatever its mode was
 * @throws {SynthError} `env_file_unreadable`, `env_file_unwritable`; what `change` throws, the file being as it was then
 */
export async function changeEnvFile(
  path: string,
  change: (text: string) => string,
  options: { readonly onlyOwner?: boolean } = {},
): Promise<void> {
  const old = await read(path);
  const text = change(old ?? "");
  const target = await targetOf(path);
  try {
    if (old === undefined) await Deno.mkdir(parentOf(target), { recursive: true });
    const mode = old === undefined ? null : (await Deno.stat(target)).mode;
    await replacePrivateFile(target, text);
    if (options.onlyOwner === true || mode === null || Deno.build.os === "windows") return;
    await Deno.chmod(target, mode & 0o777);
  } catch (cause) {
    throw fault(path, "env_file_unwritable", "written", cause);
  }
}

/** Where a link leads. Only its owner's own file is meant by it: in a directory of several users it may be a trap. */
async function targetOf(path: string): Promise<string> {
  let link: Deno.FileInfo;
  try {
    link = await Deno.lstat(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotFound) return path;
    throw fault(path, "env_file_unwritable", "written", cause);
  }
  if (!link.isSymlink) return path;
  const why = (what: string) =>
    new SynthError(`${path} cannot be written: it is a link to ${what}`, {
      code: "env_file_unwritable",
      hint: "Make the file it is to lead to, or name another file",
    });
  try {
    const target = await Deno.realPath(path);
    if ((await Deno.stat(target)).uid === link.uid) return target;
  } catch {
    throw why("nothing that can be reached");
  }
  throw why("a file of somebody else");
}

/** A secret as it may be shown: its first and last three characters, or `***`. */
export function maskSecret(value: string): string {
  return value.length < SHOWN_FROM ? "***" : `${value.slice(0, 3)}...${value.slice(-3)}`;
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readTextFile(path);
  } catch (cause) {
    throw fault(path, "env_file_unreadable", "read", cause);
  }
}

function fault(path: string, code: string, what: string, cause: unknown): SynthError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SynthError(`${path} cannot be ${what}: ${why}`, { code, cause });
}

function parentOf(path: string): string {
  const parts = Deno.build.os === "windows" ? /[\\/][^\\/]*$/ : /\/[^/]*$/;
  return parts.test(path) ? path.replace(parts, "") || "/" : ".";
}

/** Each character is looked at a few times at most. */
function assignments(text: string): Assignment[] {
  const found: Assignment[] = [];
  let at = text.startsWith("\ufeff") ? 1 : 0;
  while (at < text.length) {
    HEAD.lastIndex = at;
    const head = HEAD.exec(text);
    if (head === null) {
      at = lineEnd(text, at) + 1;
      continue;
    }
    const start = at + head[0].length;
    const { value, end } = readValue(text, start);
    found.push({ key: head[1] ?? "", value, start, end });
    at = lineEnd(text, end) + 1;
  }
  return found;
}

function readValue(text: string, start: number): { value: string; end: number } {
  const mark = text.charAt(start);
  if (mark === '"' || mark === "'") {
    const close = closingQuote(text, start, mark);
    if (close !== -1) {
      const inner = text.slice(start + 1, close);
      return { value: mark === '"' ? unescape(inner) : inner, end: close + 1 };
    }
  }
  let end = lineEnd(text, start);
  if (text.charAt(end - 1) === "\r") end--;
  for (let at = start; at < end; at++) {
    const before = at === start ? " " : text.charAt(at - 1);
    if (text.charAt(at) === "#" && (before === " " || before === "\t")) end = at;
  }
  const value = text.slice(start, end).trimEnd();
  return { value, end: start + value.length };
}

/** What stands behind a closing quote has to be a comment or nothing: else the quote belongs to the value. */
function closingQuote(text: string, start: number, mark: string): number {
  for (let at = start + 1; at < text.length; at++) {
    if (mark === '"' && text.charAt(at) === "\\") at++;
    else if (text.charAt(at) === mark) {
      const rest = text.slice(at + 1, lineEnd(text, at)).trim();
      return rest === "" || rest.startsWith("#") ? at : -1;
    }
  }
  return -1;
}

function unescape(text: string): string {
  return text.replace(/\\(u[0-9a-fA-F]{4}|.)/g, (whole, mark: string) => {
    if (mark === "n") return "\n";
    if (mark === "r") return "\r";
    if (mark === "t") return "\t";
    if (mark === "b") return "\b";
    if (mark === "f") return "\f";
    if (mark === '"' || mark === "\\") return mark;
    return mark.length === 5 ? String.fromCharCode(parseInt(mark.slice(1), 16)) : whole;
  });
}

function quote(value: string): string {
  if (PLAIN.test(value)) return value;
  // Between double quotes a shell that sources the file would expand these.
  if (/[$`\\!]/.test(value) && !/['\r\n]/.test(value)) return `'${value}'`;
  return JSON.stringify(value);
}

/** The other marks, where the value can stand between them. */
function otherQuote(value: string): string {
  if (quote(value).startsWith("'")) return JSON.stringify(value);
  return /['\r\n]/.test(value) ? quote(value) : `'${value}'`;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end === -1 ? text.length : end;
}

import {
  decodeUtf8,
  fetchWithPolicy,
  parseJsonLimited,
  readBodyLimited,
  SynthError,
} from "@synth/core";
import { readTextFile } from "@synth/core/platform";
import { parseRubric, parseStrictRubric, type Rubric, type RubricInput } from "./rubric.ts";

/** Where {@linkcode loadRubric} reads. */
export interface RubricPorts {
  /** The text of a file; `undefined` when there is none. @default {the file system, on Deno} */
  readText?: (path: string) => Promise<string | undefined>;
  /** @default {globalThis.fetch} */
  fetch?: typeof globalThis.fetch;
  signal?: AbortSignal;
}

const MAX_BYTES = 1024 * 1024;

/**
 * A rubric from an object, an `http(s)` URL, a path to a JSON or YAML file, or JSON or YAML itself (a text of more than one line, or one that
 * begins with a brace).
 *
 * @throws {SynthError} 404 `rubric_not_found`; 400 `rubric_unreadable`; what `parseRubric` throws; 502 `rubric_unreachable`
 */
export async function loadRubric(
  source: string | RubricInput | Rubric,
  ports: RubricPorts = {},
): Promise<Rubric> {
  if (typeof source !== "string") return parseRubric(source);
  const text = source.trim();
  if (/^https?:\/\//i.test(text)) {
    return parseRubric(await parseText(await fetchText(text, ports), new URL(text).pathname));
  }
  if (text.startsWith("{") || text.includes("\n")) return parseRubric(await parseText(text, ""));
  return parseRubric(await parseText(await readFile(text, ports), text));
}

/**
 * A rubric for production from a JSON file.
 *
 * @throws {SynthError} 400 `rubric_not_json` for another kind of file; as {@linkcode loadRubric} and `parseStrictRubric`
 */
export async function loadStrictRubric(
  path: string,
  ports: RubricPorts = {},
): Promise<Rubric & { goal_text: string }> {
  if (!path.toLowerCase().endsWith(".json")) {
    throw new SynthError("A strict rubric is a JSON file", {
      code: "rubric_not_json",
      status: 400,
      param: "path",
    });
  }
  return parseStrictRubric(parseJson(await readFile(path, ports)));
}

async function readFile(path: string, ports: RubricPorts): Promise<string> {
  const text = await (ports.readText ?? readTextFile)(path);
  if (text !== undefined) return text;
  throw new SynthError(`There is no rubric file ${path.slice(0, 256)}`, {
    code: "rubric_not_found",
    status: 404,
    hint: "Give a path to a JSON or YAML file, or a URL",
  });
}

async function fetchText(url: string, ports: RubricPorts): Promise<string> {
  const response = await fetchWithPolicy(url, {
    ...(ports.fetch === undefined ? {} : { fetch: ports.fetch }),
    ...(ports.signal === undefined ? {} : { signal: ports.signal }),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new SynthError(`The rubric's server answered ${response.status}`, {
      code: response.status === 404 ? "rubric_not_found" : "rubric_unreachable",
      status: response.status === 404 ? 404 : 502,
    });
  }
  return decodeUtf8(await readBodyLimited(response.body, MAX_BYTES));
}

/** JSON by its name or its first brace, else YAML. */
async function parseText(text: string, name: string): Promise<unknown> {
  const plain = text.replace(/^\uFEFF/, "");
  const isJson = name.toLowerCase().endsWith(".json") || plain.trimStart().startsWith("{");
  return isJson ? parseJson(plain) : await parseYaml(plain);
}

function parseJson(text: string): unknown {
  checkSize(text);
  try {
    return parseJsonLimited(text.replace(/^\uFEFF/, ""));
  } catch (cause) {
    throw unreadable("JSON", cause);
  }
}

async function parseYaml(text: string): Promise<unknown> {
  checkSize(text);
  // Loaded when it is needed: most rubrics are objects or JSON.
  const { parse } = await import("yaml");
  try {
    return parse(text, { maxAliasCount: 100, prettyErrors: false });
  } catch (cause) {
    throw unreadable("YAML", cause);
  }
}

function checkSize(text: string): void {
  if (text.length <= MAX_BYTES) return;
  throw new SynthError(`A rubric may have ${MAX_BYTES} characters at most`, {
    code: "rubric_unreadable",
    status: 400,
  });
}

function unreadable(format: string, cause: unknown): SynthError {
  return new SynthError(`The rubric is not valid ${format}`, {
    code: "rubric_unreadable",
    status: 400,
    cause,
  });
}

/** One TOML text to one layer. @module */
import { parse } from "@std/toml";
import { configError } from "./issues.ts";
import { isTable, type Layer, settingsOf } from "./layers.ts";
import { scanToml } from "./scan.ts";

/** Largest configuration, in UTF-16 units. */
const MAX_LENGTH = 1_048_576;

/**
 * Parses a text and keeps the place of every key.
 *
 * @throws {SynthError} `config_invalid`, exit code 2, for a text that is not clean TOML.
 */
export function parseLayer(kind: Layer["kind"], name: string, text: string): Layer {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  if (source.length > MAX_LENGTH) throw oneProblem(kind, name, "The file is larger than 1 MiB");
  const { positions, problems } = scanToml(source);
  if (problems.length > 0) {
    throw configError(problems.map((problem) => ({
      key: "",
      message: problem.message,
      suggestion: null,
      origin: { kind, name, line: problem.line, column: problem.column },
    })));
  }
  const tree = parseToml(kind, name, source);
  return { kind, settings: settingsOf(tree, name), positions };
}

function parseToml(kind: Layer["kind"], name: string, source: string): Record<string, unknown> {
  try {
    const tree: unknown = parse(source);
    return isTable(tree) ? tree : {};
  } catch (error) {
    const [what, line, column] = placeOf(error);
    throw oneProblem(kind, name, what, line, column);
  }
}

/** Parsers begin their message with the place. What follows the first line may quote a secret and is dropped. */
function placeOf(error: unknown): [string, number?, number?] {
  const first = error instanceof Error ? error.message.split("\n", 1)[0] ?? "" : "";
  const match = /^Parse error on line (\d{1,9}), column (\d{1,9}): ?(.{0,120})/.exec(first);
  if (match === null) return ["Not valid TOML"];
  return [`Not valid TOML: ${match[3]}`, Number(match[1]), Number(match[2])];
}

function oneProblem(
  kind: Layer["kind"],
  name: string,
  message: string,
  line?: number,
  column?: number,
): Error {
  const place = line === undefined ? {} : { line, column: column ?? 1 };
  return configError([{ key: "", message, suggestion: null, origin: { kind, name, ...place } }]);
}

/** Configuration texts: the scanner never fails on what it reads, and agrees with the parser about what stands where. @module */
import fc from "fast-check";
import { SynthError } from "@synth/core";
import { parseLayer } from "../../core/config/parse_file.ts";
import { scanToml } from "../../core/config/scan.ts";
import { nastyText } from "./nasty.ts";
import type { Target } from "./target.ts";

const key = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom(
      "gateway",
      "a",
      "port",
      "models",
      "up",
      "x-y",
      "__proto__",
      "constructor",
      "1",
    ),
  },
  { weight: 2, arbitrary: nastyText.map((text) => JSON.stringify(text)) },
  { weight: 1, arbitrary: nastyText.map((text) => `'${text}'`) },
);
const dotted = fc.array(key, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("."));
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.constantFrom(
      "1",
      "-0",
      "1_000",
      "0x1F",
      "1e3",
      "1.5",
      "nan",
      "-inf",
      "true",
      "9007199254740993",
      "1e999",
      "07",
      "2026-11-22T04:00:00Z",
      "12:30:00",
    ),
    nastyText.map((text) => JSON.stringify(text)),
    nastyText.map((text) => `'${text}'`),
    nastyText.map((text) => `"""${text}"""`),
    nastyText.map((text) => `'''${text}'''`),
    fc.array(tie("value"), { maxLength: 3 }).map((all) => `[${all.join(",")}]`),
    fc.array(fc.tuple(dotted, tie("value")), { maxLength: 3 }).map((all) =>
      `{${all.map(([name, one]) => `${name}=${one}`).join(",")}}`
    ),
  ),
}));
const lineOf = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(dotted, value).map(([name, one]) => `${name} = ${one}`) },
  { weight: 2, arbitrary: dotted.map((name) => `[${name}]`) },
  { weight: 1, arbitrary: dotted.map((name) => `[[${name}]]`) },
  { weight: 1, arbitrary: nastyText.map((text) => `# ${text}`) },
  { weight: 1, arbitrary: nastyText },
);

const UNSAFE = new Set(["__proto__", "constructor", "prototype"]);

/** Opens it. */
export function openToml(): Promise<Target<string>> {
  return Promise.resolve({
    name: "toml",
    inputs: fc.array(lineOf, { maxLength: 8 }).map((lines) => lines.join("\n")),
    check,
    close: () => Promise.resolve(),
  });
}

function check(text: string): Promise<void> {
  const lines = text.split("\n").length;
  const scanned = scanToml(text);
  for (const { line, column } of [...scanned.positions.values(), ...scanned.problems]) {
    if (line < 1 || line > lines || column < 1) throw new Error(`${line}:${column} is nowhere`);
  }
  try {
    const layer = parseLayer("user", "synth.toml", text);
    for (const { path, value } of layer.settings) {
      if ([...path, ...namesIn(value)].some((name) => UNSAFE.has(String(name)))) {
        throw new Error("an unsafe name came through");
      }
    }
    if (JSON.stringify(Object.getPrototypeOf({})) !== "{}") {
      throw new Error("the prototype changed");
    }
  } catch (error) {
    if (!(error instanceof SynthError)) throw error;
    if (error.code !== "config_invalid") throw new Error(`code ${error.code}`);
  }
  return Promise.resolve();
}

function namesIn(tree: unknown): string[] {
  if (typeof tree !== "object" || tree === null) return [];
  return Object.entries(tree).flatMap(([name, member]) => [name, ...namesIn(member)]);
}

import { assertEquals } from "@std/assert";
import { parse } from "@std/toml";
import fc from "fast-check";
import { type ConfigPath, pathKey, scanToml } from "./scan.ts";

function codes(text: string): string[] {
  return scanToml(text).problems.map((p) => `${p.code} ${p.line}:${p.column}`);
}

function positionOf(text: string, path: ConfigPath): string | undefined {
  const found = scanToml(text).positions.get(pathKey(path));
  return found && `${found.line}:${found.column}`;
}

Deno.test("scanToml gives the place of every key", () => {
  const text = [
    "# [gateway] in a comment",
    "[gateway]",
    "  port = 1 # = 2",
    'host = """',
    '[upstreams.x] "" = """',
    '[models."a.b"]',
    "price = { input = 1, output.x = 2 }",
    "fallback = [",
    "  'c', # one",
    "  'd',",
    "]",
  ].join("\n");
  assertEquals(scanToml(text).problems, []);
  assertEquals(positionOf(text, ["gateway"]), "2:2");
  assertEquals(positionOf(text, ["gateway", "port"]), "3:3");
  assertEquals(positionOf(text, ["upstreams", "x"]), undefined);
  assertEquals(positionOf(text, ["models", "a.b"]), "6:2");
  assertEquals(positionOf(text, ["models", "a.b", "price", "input"]), "7:11");
  assertEquals(positionOf(text, ["models", "a.b", "price", "output", "x"]), "7:22");
  assertEquals(positionOf(text, ["models", "a.b", "fallback", 1]), "10:3");
});

Deno.test("scanToml finds keys that are given twice", () => {
  assertEquals(codes("a = 1\nb = 2\na = 3"), ["duplicate_key 3:1"]);
  assertEquals(codes('a = 1\n"\\u0061" = 2'), ["duplicate_key 2:1"]);
  assertEquals(codes("[a]\nb = 1\n[c]\n[a]"), ["duplicate_key 4:2"]);
  assertEquals(codes("[a.b]\n[a]"), []);
  assertEquals(codes("[a]\nb.c = 1\nb.d = 2"), []);
  assertEquals(codes("[a]\nb.c = 1\n[a.b]"), ["duplicate_key 3:2"]);
  assertEquals(codes("x = { a = 1, a = 2 }"), ["duplicate_key 1:14"]);
  assertEquals(codes("[[a]]\nb = 1\n[[a]]\nb = 1"), []);
});

Deno.test("scanToml finds integers that a double cannot hold", () => {
  assertEquals(codes("a = 9007199254740991"), []);
  assertEquals(codes("a = 9007199254740992"), ["unsafe_integer 1:5"]);
  assertEquals(codes("a = -9_007_199_254_740_993"), ["unsafe_integer 1:5"]);
  assertEquals(codes("a = [1, 0xffffffffffffffff]"), ["unsafe_integer 1:9"]);
  assertEquals(codes('a = "9007199254740993" # 9007199254740993'), []);
});

Deno.test("scanToml finds names that objects treat as their own", () => {
  assertEquals(codes("__proto__.x = 1"), ["forbidden_key 1:1"]);
  assertEquals(codes('[models."constructor"]'), ["forbidden_key 1:9"]);
  assertEquals(codes('a = { "\\u005f_proto__" = 1 }'), ["forbidden_key 1:7"]);
  assertEquals(codes("a = '__proto__' # constructor = 1"), []);
});

Deno.test("scanToml reports a text that ends too early", () => {
  assertEquals(codes('a = "x\nb = 1'), ["syntax 1:5"]);
  assertEquals(codes("a = '''x"), ["syntax 1:5"]);
  assertEquals(codes("[a\nb = 1"), ["syntax 1:3"]);
  assertEquals(codes("a"), ["syntax 1:2"]);
  assertEquals(codes("a = "), ["syntax 1:5"]);
  assertEquals(codes("a = ".concat("[".repeat(5000))).length, 1);
});

/** A quadratic step would take minutes here. */
Deno.test("scanToml takes long lines", () => {
  const text = `a = "${"x".repeat(500_000)}"\nb = [${"1,".repeat(50_000)}]\n`;
  assertEquals(scanToml(text).problems, []);
});

const name = fc.constantFrom("a", "b", "c", "d");
const key = fc.tuple(name, fc.constantFrom("bare", "basic", "literal", "escaped")).map(writeKey);
const dotted = fc.array(key, { minLength: 1, maxLength: 3 }).chain((keys) =>
  fc.constantFrom(keys.join("."), keys.join(" . "))
);
const content = fc.array(
  fc.constantFrom("=", "#", "[", "]", "{", "}", ",", "x", " ", ".", "\\\\"),
  {
    maxLength: 8,
  },
).map((parts) => parts.join(""));
const scalar = fc.oneof(
  fc.integer().map(String),
  fc.constantFrom("1.5", "true", "1979-05-27 07:32:00Z", "0x1f", "1_000", "9007199254740993"),
  content.map((s) => `"${s}\\""`),
  content.map((s) => `'${s}'`),
  content.map((s) => `"""\n${s}\n"" \\" ${s}"""`),
  content.map((s) => `'''${s}\n''${s}'''`),
  fc.constantFrom('""""a"""""', "''''a'''''", '""', "''", '"""a\\\n  b"""'),
);
const value = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: "small" }, scalar, tie("array"), tie("inline")),
  array: fc.array(tie("value") as fc.Arbitrary<string>, { maxLength: 3 })
    .map((items) => `[${items.join(",\n # ]\n")}]`),
  inline: fc.array(fc.tuple(dotted, tie("value") as fc.Arbitrary<string>), { maxLength: 3 })
    .map((pairs) => `{${pairs.map(([k, v]) => `${k} = ${v}`).join(", ")}}`),
})).value as fc.Arbitrary<string>;
const statement = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(dotted, value).map(([k, v]) => `${k} = ${v}`) },
  { weight: 2, arbitrary: dotted.map((k) => `[${k}]`) },
  // One segment: behind `[[a.b]]` the parser lets a dotted key extend `a`, against the rule that it keeps for `[a.b]`.
  { weight: 1, arbitrary: key.map((k) => `[[ ${k} ]]`) },
  { weight: 1, arbitrary: content.map((s) => `# ${s}`) },
);
const document = fc.tuple(
  fc.array(statement, { maxLength: 10 }),
  fc.constantFrom("\n", "\n\n", " # x = 1\n", "\r\n"),
).map(([lines, end]) => lines.join(end));

function writeKey([text, style]: [string, string]): string {
  if (style === "basic") return `"${text}"`;
  if (style === "literal") return `'${text}'`;
  return style === "escaped" ? `"\\u00${text.charCodeAt(0).toString(16)}"` : text;
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    return parse(text);
  } catch {
    return null;
  }
}

function pathsOf(node: unknown, path: ConfigPath = []): string[] {
  const own = path.length === 0 ? [] : [pathKey(path)];
  if (Array.isArray(node)) {
    // A list of tables and an array look alike once parsed; both have a place for each element.
    return [...own, ...node.flatMap((item, i) => pathsOf(item, [...path, i]))];
  }
  if (typeof node === "object" && node !== null && !(node instanceof Date)) {
    return [...own, ...Object.entries(node).flatMap(([k, v]) => pathsOf(v, [...path, k]))];
  }
  return own;
}

Deno.test("scanToml agrees with the parser on what is wrong, and on every path", () => {
  fc.assert(
    fc.property(document, (text) => {
      const scan = scanToml(text);
      const tree = parsed(text);
      assertEquals(scan.problems.length === 0, tree !== null, JSON.stringify(scan.problems));
      if (tree === null) return;
      assertEquals([...scan.positions.keys()].sort(), pathsOf(tree).sort());
    }),
    { numRuns: 3000 },
  );
});

Deno.test("scanToml reports nothing about a text that the parser takes", () => {
  const broken = fc.tuple(document, fc.nat(), fc.constantFrom("", '"', "'", "\n", "]", "=", "\\"));
  fc.assert(
    fc.property(broken, ([text, at, char]) => {
      const cut = text.length === 0 ? 0 : at % text.length;
      const changed = text.slice(0, cut) + char + text.slice(cut + 1);
      const scan = scanToml(changed);
      if (parsed(changed) !== null) assertEquals(scan.problems, []);
    }),
    { numRuns: 3000 },
  );
});

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { InputDecoder } from "./input_decoder.ts";

function decode(pieces: string[]): string {
  const decoder = new InputDecoder();
  return pieces.map((piece) => decoder.push(piece)).join("") + decoder.end();
}

function split(text: string, cuts: number[]): string[] {
  const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, n) => text.slice(from, at[n]));
}

Deno.test("InputDecoder gives what JSON.parse gives, however the text is cut", () => {
  const json = fc.tuple(fc.string({ unit: "binary" }), fc.boolean(), fc.constantFrom(0, 2))
    .map(([input, escaped, indent]) => {
      const text = JSON.stringify({ input }, null, indent);
      const ascii = escaped
        ? text.replace(/[^ -~\n]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)
        : text;
      return { input, text: ascii };
    });
  fc.assert(
    fc.property(json, fc.array(fc.nat(), { maxLength: 12 }), ({ input, text }, cuts) => {
      assertEquals(decode(split(text, cuts)), input);
      assertEquals(decode(text.split("")), input);
    }),
    { numRuns: 500 },
  );
});

Deno.test("InputDecoder gives the same whatever the text is and wherever it is cut", () => {
  const text = fc.array(
    fc.constantFrom(
      '{"input":"',
      "{",
      '"',
      ":",
      "}",
      "\\",
      "\\u",
      "00",
      "e9",
      "\\n",
      "a",
      " ",
      "x",
    ),
    { maxLength: 12 },
  ).map((parts) => parts.join(""));
  fc.assert(
    fc.property(text, fc.array(fc.nat(), { maxLength: 8 }), (raw, cuts) => {
      assertEquals(decode(split(raw, cuts)), decode([raw]));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("InputDecoder streams the input before it ends", () => {
  const decoder = new InputDecoder();
  assertEquals(decoder.push('{ "in'), "");
  assertEquals(decoder.push('put" : "a\\'), "a");
  assertEquals(decoder.push("nb\\u00"), "\nb");
  assertEquals(decoder.push('e9"'), "é");
  assertEquals(decoder.push(', "other": "x"}'), "");
  assertEquals(decoder.end(), "");
});

Deno.test("InputDecoder lets the mistakes of models through", () => {
  const cases: [string, string][] = [
    ['{"input":"raw\nbreak"}', "raw\nbreak"],
    ['{"input":"\\d+ \\q"}', "\\d+ \\q"],
    ['{"input":"\\uZZ"}', "\\uZZ"],
    ['{"input":"\\u12"}', "\\u12"],
    ['{"input":"cut \\u00', "cut \\u00"],
    ['{"input":"cut \\', "cut \\"],
    ['{"input":7}', '{"input":7}'],
    [`{"${"k".repeat(300)}":"v"}`, "v"],
  ];
  for (const [raw, expected] of cases) assertEquals(decode([...raw]), expected);
});

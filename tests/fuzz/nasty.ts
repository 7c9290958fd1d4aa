/** Pieces of text and JSON that break careless code. @module */
import fc from "fast-check";
import type { Json } from "@synth/core";

const PIECES = [
  "a",
  " ",
  '"',
  "'",
  "\\",
  "\n",
  "\r",
  "\r\n",
  "\n\n",
  "\t",
  "\u0000",
  "\u0085",
  "\u2028",
  "\u2029",
  "\uFEFF",
  "é",
  "🙂",
  "\ud83d",
  "\ude00",
  "data: [DONE]\n\n",
  "event: response.completed\n",
  "<think>",
  "</think>",
  "{}",
  "[",
  "}",
  "null",
  "__proto__",
  "constructor",
  "1e999",
  "-0",
  "9007199254740993",
  "%00",
  "../",
  "call_1",
  "f",
];

/** Short texts of such pieces. */
export const nastyText: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...PIECES) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 8 }) },
  ),
  { maxLength: 6 },
).map((parts) => parts.join(""));

const NUMBERS = [0, -0, 1, -1, 2, 0.5, 1e21, -1e21, 2 ** 31, 2 ** 53, 1e308, 5e-324];

/** Values that are not what was expected. */
export const nastyScalar: fc.Arbitrary<Json> = fc.oneof(
  nastyText,
  fc.constantFrom<Json[]>(...NUMBERS, true, false, null),
);

/** Any JSON, with names that a program might look for. */
export function nastyJson(names: readonly string[], depth = 3): fc.Arbitrary<Json> {
  const key = names.length === 0 ? nastyText : fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: nastyText },
  );
  const { tree } = fc.letrec<{ tree: Json }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: depth, withCrossShrink: true },
      nastyScalar,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.array(fc.tuple(key, tie("tree")), { maxLength: 6 }).map(asObject),
    ),
  }));
  return tree;
}

/** A shape whose members are often missing, and sometimes something else. */
export function loosely(shape: Record<string, fc.Arbitrary<Json>>): fc.Arbitrary<Json> {
  const members = Object.entries(shape).map(([name, good]) =>
    fc.oneof(
      { weight: 12, arbitrary: good.map((value): [string, Json] | null => [name, value]) },
      { weight: 4, arbitrary: fc.constant(null) },
      { weight: 1, arbitrary: nastyScalar.map((value): [string, Json] | null => [name, value]) },
    )
  );
  return fc.tuple(...members).map((found) =>
    asObject(found.filter((entry): entry is [string, Json] => entry !== null))
  );
}

function asObject(entries: readonly (readonly [string, Json])[]): Json {
  // As JSON.parse makes it: a member named __proto__ is an own one.
  return Object.fromEntries(entries);
}

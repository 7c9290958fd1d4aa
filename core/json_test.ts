import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "./errors.ts";
import { parseJsonLimited } from "./json.ts";
import { findFault } from "./json_fault.ts";

function refusal(fn: () => unknown): SynthError {
  const error = assertThrows(fn, SynthError);
  assertEquals(error.status, 400);
  return error;
}

Deno.test("parseJsonLimited parses what JSON.parse parses", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 5 }), (text) => {
      if (text.includes("__proto__")) return;
      assertEquals(parseJsonLimited(text), JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseJsonLimited refuses nesting over the limit before it is parsed", () => {
  const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
  assertEquals(parseJsonLimited(nested(8), { maxDepth: 8 }), JSON.parse(nested(8)));
  assertEquals(refusal(() => parseJsonLimited(nested(9), { maxDepth: 8 })).code, "json_too_deep");
  const bomb = '{"a":'.repeat(1_000_000);
  const error = refusal(() => parseJsonLimited(bomb));
  assertEquals(error.code, "json_too_deep");
  assertEquals(error.details, { max_depth: 64, position: 64 * 5 });
});

Deno.test("parseJsonLimited counts elements and members of all levels", () => {
  const limits = { maxItems: 5 };
  assertEquals(parseJsonLimited('[1,2,{"a":3,"b":4}]', limits), [1, 2, { a: 3, b: 4 }]);
  for (const text of ['[1,2,{"a":3,"b":4},5]', "[1,2,3,4,5,6]", "[[[[[[]]]]]]", "[[],[],[],[]]"]) {
    assertEquals(refusal(() => parseJsonLimited(text, limits)).code, "json_too_many_items");
  }
});

Deno.test("parseJsonLimited ignores brackets and commas inside strings", () => {
  const limits = { maxDepth: 1, maxItems: 2 };
  for (
    const inside of ["[[[[", "{{{,,,,,", '\\"[[', '\\\\\\"[[,,,', "\\\\", '\\"\\"\\"[', "]]}}"]
  ) {
    const text = `["${inside}","x"]`;
    assertEquals(parseJsonLimited(text, limits), JSON.parse(text));
    assertEquals(
      refusal(() => parseJsonLimited(`["${inside}",[1]]`, limits)).code,
      "json_too_deep",
    );
  }
});

Deno.test("parseJsonLimited says where, and quotes nothing", () => {
  const cases: [string, number][] = [
    ["", 0],
    ["   ", 3],
    ["secret", 0],
    ['{"secret": x}', 11],
    ['{"a":1,}', 7],
    ["[1,]", 3],
    ["[1 2]", 3],
    ['{"a" 1}', 5],
    ["{a:1}", 1],
    ['{"a":1', 6],
    ['"abc', 4],
    ['"a\nb"', 2],
    ['"\\x"', 2],
    ['"\\u00zz"', 3],
    ["[1]]", 3],
    ["nul", 0],
    ["01", 1],
    ["1.", 1],
    ["[1}", 2],
    ["\uFEFF1", 0],
    ["'a'", 0],
    ["NaN", 0],
    ["[1,2", 4],
    ['{"secret at position 999": x}', 27],
  ];
  for (const [text, position] of cases) {
    const error = refusal(() => parseJsonLimited(text));
    assertEquals(error.code, "invalid_json");
    assertEquals(error.details, { position }, text);
    assertFalse(JSON.stringify(error.toBody()).includes("secret"), text);
    assertEquals(error.cause, undefined);
  }
});

Deno.test("findFault stands where a valid text was spoiled or before it, never after", () => {
  const spoilt = fc.tuple(
    fc.json(),
    fc.nat(),
    fc.constantFrom("", ",", "}", "]", ":", '"', "x", "\\", "1"),
  );
  fc.assert(
    fc.property(spoilt, ([text, seed, put]) => {
      const at = seed % (text.length + 1);
      const broken = text.slice(0, at) + put + text.slice(at + (put === "" ? 1 : 0));
      let valid = true;
      try {
        JSON.parse(broken);
      } catch {
        valid = false;
      }
      if (valid) return;
      const fault = findFault(broken);
      assert(fault >= 0 && fault <= broken.length);
      // What is before the fault can still become JSON: the parser runs out of text, or stands in a half-written word or number.
      if (fault < broken.length) assert(findFault(broken.slice(0, fault)) >= fault - 1);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("parseJsonLimited refuses a member named __proto__, however it is spelled", () => {
  for (
    const text of [
      '{"__proto__":1}',
      '[{"a":[{"__proto__":{}}]}]',
      '{"\\u005f_proto__":1}',
      '{"__prot\\u006F__":1}',
      '{"\\u005f\\u005f\\u0070\\u0072\\u006f\\u0074\\u006f\\u005f\\u005f":1}',
    ]
  ) {
    assertEquals(refusal(() => parseJsonLimited(text)).code, "json_unsafe_key", text);
  }
  assertEquals(refusal(() => parseJsonLimited('{"a":[{"__proto__":1}]}')).param, "a[0]");
  assertEquals(parseJsonLimited('{"text":"obj.__proto__ is \\u005f"}'), {
    text: "obj.__proto__ is _",
  });
  const kept = parseJsonLimited('{"__proto__":{"admin":true}}', { protoKeys: "keep" });
  assert(Object.hasOwn(kept as object, "__proto__"));
  assertEquals(Reflect.get({}, "admin"), undefined);
});

Deno.test("parseJsonLimited takes long hostile texts", () => {
  // A quadratic step would take minutes.
  const size = 1 << 20;
  const texts = [
    JSON.stringify({ text: "x".repeat(size) }),
    JSON.stringify({ text: "\\".repeat(size / 2) }),
    JSON.stringify({ text: '"'.repeat(size / 2) }),
    '"' + '\\"'.repeat(size / 2),
    '"' + "\\".repeat(size) + '"',
    '"'.repeat(size),
    "{".repeat(size),
    "[" + "1,".repeat(size / 2) + "1]",
  ];
  for (const text of texts) {
    try {
      parseJsonLimited(text, { maxItems: size });
    } catch (error) {
      assert(error instanceof SynthError);
    }
  }
});

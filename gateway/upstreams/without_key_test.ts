import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { withoutKey } from "./without_key.ts";

const KEY = "sk-a/B+9.x=";

Deno.test("withoutKey masks a key in every form that JSON has for it", () => {
  for (
    const form of [
      KEY,
      "sk-a\\/B+9.x=",
      "\\u0073k-a/B\\u002B9.x=",
      "sk-a\\u002fB\\u002b9.x\\u003D",
      "\\\\u0073k-a\\\\/B+9.x=",
    ]
  ) {
    assertEquals(withoutKey(`{"a":"x${form}y"}`, KEY), '{"a":"x[redacted]y"}', form);
  }
  assertEquals(withoutKey("sk-a/B+9yx= \\u0041 \\/", KEY), "sk-a/B+9yx= \\u0041 \\/");
  assertEquals(withoutKey("a\\u0062cde", "abcde"), "a\\u0062cde");
  assertEquals(withoutKey("anything \\u0041", null), "anything \\u0041");
});

Deno.test("withoutKey leaves valid JSON without the key, whichever characters are escaped and however deep", () => {
  const escapes = fc.array(fc.boolean(), { minLength: KEY.length, maxLength: KEY.length });
  fc.assert(
    fc.property(
      escapes,
      fc.nat(2),
      fc.stringMatching(/^[\\a"/u0]{0,6}$/),
      (which, depth, before) => {
        const shown = [...KEY].map((unit, i) =>
          which[i] ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}` : unit
        ).join("");
        let text = `{${JSON.stringify(before)}:"${shown}"}`;
        for (let i = 0; i < depth; i++) text = JSON.stringify([text]);
        let value = JSON.parse(withoutKey(text, KEY));
        for (let i = 0; i < depth; i++) value = JSON.parse(value[0]);
        assertEquals(value, { [before]: "[redacted]" });
      },
    ),
    { numRuns: 500 },
  );
});

Deno.test("withoutKey takes linear time", () => {
  for (const piece of ["\\", "\\u0073", "sk-a\\/", "\\\\u00"]) {
    const text = `\\u00 ${piece.repeat(200_000)}`;
    assertEquals(withoutKey(text, KEY), text);
  }
});

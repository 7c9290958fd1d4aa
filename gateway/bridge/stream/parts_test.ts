/** The small parts of the machine, each by itself. @module */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { safeJson } from "../chat_chunk.ts";
import { isUnambiguous, joinName } from "./call_names.ts";
import { JsonScan } from "./json_scan.ts";
import { ReasoningDetails } from "./reasoning_details.ts";
import { ThinkTags } from "./think_tags.ts";
import { utf8Length } from "./utf8_length.ts";
import { makePlan } from "../testing/turn.ts";

Deno.test("utf8Length counts what TextEncoder gives", () => {
  const encoder = new TextEncoder();
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.constantFrom("", "\ud83d", "\ude00a"), (a, b) => {
      assertEquals(utf8Length(a + b), encoder.encode(a + b).length);
    }),
  );
});

Deno.test("utf8Length counts long texts as TextEncoder does, wherever their parts end", () => {
  const units = ["a", "\u00e9", "\u20ac", "\u{1f600}", "\ud83d", "\ude00"];
  const parts = fc.array(fc.tuple(fc.constantFrom(...units), fc.integer({ min: 1, max: 9000 })), {
    maxLength: 6,
  });
  fc.assert(fc.property(parts, (all) => {
    const text = all.map(([unit, times]) => unit.repeat(times)).join("");
    assertEquals(utf8Length(text), new TextEncoder().encode(text).length);
  }));
});

Deno.test("JsonScan is complete exactly when the outermost value ends", () => {
  fc.assert(
    fc.property(fc.json(), fc.nat(), (json, cut) => {
      const first = json.trimStart()[0] ?? "";
      const scan = new JsonScan();
      const at = cut % json.length;
      scan.push(json.slice(0, at));
      const early = scan.complete;
      scan.push(json.slice(at));
      if ('{["'.includes(first)) assertEquals([early, scan.complete], [false, true]);
      else assertEquals(scan.complete, false);
      scan.push(" trailing");
      assertEquals(scan.complete, '{["'.includes(first));
    }),
    { numRuns: 500 },
  );
});

Deno.test("ThinkTags takes the leading block out, however the text is cut", () => {
  const cases: [string, string, string][] = [
    ["<think>a</think>b", "a", "b"],
    ["\n <think>\na\n</think>\n\nb\n", "\na\n", "b\n"],
    ["<think></think>b", "", "b"],
    ["<think>a < b </thin> c</think>d <think>e</think>", "a < b </thin> c", "d <think>e</think>"],
    ["<think>never ends </thi", "never ends </thi", ""],
    ["b <think>a</think>", "", "b <think>a</think>"],
    ["<thin", "", "<thin"],
    ["<b>bold</b>", "", "<b>bold</b>"],
    ["  \n", "", "  \n"],
    [" ".repeat(2000), "", " ".repeat(2000)],
  ];
  for (const [input, thought, said] of cases) {
    for (const size of [1, 2, 3, 5, 1000]) {
      const seen = { thought: "", said: "" };
      const tags = new ThinkTags({
        text: (piece) => seen.said += piece,
        reasoning: (piece) => seen.thought += piece,
      });
      for (let at = 0; at < input.length; at += size) tags.push(input.slice(at, at + size));
      tags.end();
      assertEquals(seen, { thought, said });
    }
  }
});

Deno.test("ReasoningDetails joins fragments and keeps the rest as it was", () => {
  const details = new ReasoningDetails();
  details.push({ type: "reasoning.text", text: "a", index: 0, signature: null });
  details.push({ type: "reasoning.text", text: "b", index: 0, signature: "sig" });
  details.push({ type: "reasoning.encrypted", data: "x", index: 1, __proto__: null });
  details.push({ type: "reasoning.text", text: "c" });
  details.push({ type: "reasoning.text", text: "d" });
  assertEquals(details.list, [
    { type: "reasoning.text", text: "ab", index: 0, signature: "sig" },
    { type: "reasoning.encrypted", data: "x", index: 1 },
    { type: "reasoning.text", text: "c" },
    { type: "reasoning.text", text: "d" },
  ]);
});

Deno.test("joinName takes fragments, repetitions and growing names", () => {
  const { tools } = makePlan(["get_weather", "aab", "f"]);
  assertEquals(joinName(tools, "", "f"), "f");
  assertEquals(joinName(tools, "f", "f"), "f");
  assertEquals(joinName(tools, "get_", "weather"), "get_weather");
  assertEquals(joinName(tools, "get_", "get_weather"), "get_weather");
  assertEquals(joinName(tools, "a", "ab"), "aab");
  assert(isUnambiguous(tools, "f"));
  assert(!isUnambiguous(tools, "get"));
  assert(!isUnambiguous(makePlan(["f", "fg"]).tools, "f"));
});

Deno.test("safeJson makes what every reader takes", () => {
  const deep: unknown[] = [];
  let at = deep;
  for (let n = 0; n < 100_000; n++) {
    const next: unknown[] = [];
    at.push(next);
    at = next;
  }
  assert(JSON.stringify(safeJson(deep)).length < 300);
  const hostile = JSON.parse('{"__proto__":{"x":1},"\\ud83d":"\\ude00"}');
  const safe = safeJson(hostile);
  assertEquals(JSON.stringify(safe), '{"__proto__":{"x":1},"\ufffd":"\ufffd"}');
  assertEquals(Object.getPrototypeOf(safe), Object.prototype);
});

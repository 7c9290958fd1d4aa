import { assertEquals } from "@std/assert";
import type { InputItem } from "@synth/core/api";
import { findLoop } from "./loop_guard.ts";

const LIMITS = { maxRounds: 200, maxIdentical: 5 };

function round(n: number, args = `{"n":${n}}`, output = "ok"): InputItem[] {
  return [
    { type: "function_call", call_id: `c${n}`, name: "f", arguments: args },
    { type: "function_call_output", call_id: `c${n}`, output },
  ];
}

function rounds(count: number, make = round): InputItem[] {
  return [
    { role: "user", content: "go" },
    ...Array.from({ length: count }, (_, n) => make(n)).flat(),
  ];
}

Deno.test("findLoop counts the rounds behind the last message of the user", () => {
  assertEquals(findLoop(rounds(199), LIMITS), null);
  assertEquals(findLoop(rounds(200), LIMITS), { rounds: 200, reason: "max_rounds" });
  assertEquals(findLoop([...rounds(500), ...rounds(1)], LIMITS), null);
  assertEquals(findLoop([...rounds(500), { role: "user", content: "hi" }], LIMITS), null);
});

Deno.test("findLoop counts outputs that stand together as one round", () => {
  const parallel = (n: number): InputItem[] => {
    const [a, b] = round(n);
    const [c, d] = round(n + 1000);
    return [a!, c!, b!, d!];
  };
  assertEquals(findLoop(rounds(199, parallel), LIMITS), null);
  assertEquals(findLoop(rounds(200, parallel), LIMITS)?.rounds, 200);
});

Deno.test("findLoop notices calls that repeat with the same output at the end, and no others", () => {
  const same = (n: number): InputItem[] => round(n, "{}");
  assertEquals(findLoop(rounds(4, same), LIMITS), null);
  assertEquals(findLoop(rounds(5, same), LIMITS), { rounds: 5, reason: "max_identical" });
  assertEquals(findLoop([...rounds(9, same), ...round(99)], LIMITS), null);
  assertEquals(findLoop(rounds(9, (n) => round(n, "{}", `${n}`)), LIMITS), null);
  assertEquals(findLoop(rounds(9, (n) => same(n).slice(0, 1)), LIMITS), null);
});

Deno.test("findLoop notices calls in turns, up to four", () => {
  for (const period of [2, 3, 4]) {
    const turns = (n: number): InputItem[] => round(n, `{"turn":${n % period}}`);
    assertEquals(findLoop(rounds(5 * period - 1, turns), LIMITS), null);
    assertEquals(findLoop(rounds(5 * period, turns), LIMITS), {
      rounds: 5 * period,
      reason: "max_identical",
    });
  }
  assertEquals(findLoop(rounds(50, (n) => round(n, `{"turn":${n % 5}}`)), LIMITS), null);
  assertEquals(findLoop(rounds(50, (n) => round(n, `${n % 2}`, `${n}`)), LIMITS), null);
});

Deno.test("findLoop reads over what Codex writes above an output anew each time", () => {
  const codex = (n: number, said = "ok"): InputItem[] => {
    const head =
      `Chunk ID: ${n}f\nWall time: 0.${n} seconds\nProcess exited with code 0\nOutput:\n`;
    return round(n, "{}", head + said);
  };
  assertEquals(findLoop(rounds(5, (n) => codex(n)), LIMITS)?.reason, "max_identical");
  assertEquals(findLoop(rounds(9, (n) => codex(n, `${n}`)), LIMITS), null);
});

Deno.test("findLoop knows the outputs of calls that have one id again and again", () => {
  const polling = (output: string): InputItem[] => [
    { type: "function_call", call_id: "call_0", name: "status", arguments: "{}" },
    { type: "function_call_output", call_id: "call_0", output },
  ];
  assertEquals(findLoop(rounds(9, (n) => polling(`${n} %`)), LIMITS), null);
  assertEquals(findLoop(rounds(5, () => polling("0 %")), LIMITS)?.reason, "max_identical");
});

Deno.test("findLoop takes equal calls of one round for one step", () => {
  const several = (calls: number) => (n: number): InputItem[] => {
    const made = Array.from({ length: calls }, (_, i) => round(n * 10 + i, "{}"));
    return [...made.map(([call]) => call!), ...made.map(([, output]) => output!)];
  };
  for (const calls of [2, 3, 5, 9]) {
    assertEquals(findLoop(rounds(4, several(calls)), LIMITS), null);
    assertEquals(findLoop(rounds(5, several(calls)), LIMITS), {
      rounds: 5,
      reason: "max_identical",
    });
  }
});

Deno.test("findLoop compares the tools that searches found", () => {
  const search = (n: number, found: string): InputItem[] =>
    [
      { type: "tool_search_call", call_id: `c${n}`, arguments: {}, execution: "client" },
      {
        type: "tool_search_output",
        call_id: `c${n}`,
        tools: [{ type: "function", name: found, parameters: {} }],
      },
    ] as InputItem[];
  assertEquals(findLoop(rounds(9, (n) => search(n, `f${n}`)), LIMITS), null);
  assertEquals(findLoop(rounds(5, (n) => search(n, "f")), LIMITS)?.reason, "max_identical");
});

Deno.test("findLoop is off at 0", () => {
  const same = (n: number): InputItem[] => round(n, "{}");
  assertEquals(findLoop(rounds(500, same), { maxRounds: 0, maxIdentical: 0 }), null);
  assertEquals(findLoop(rounds(500, same), { maxRounds: 0, maxIdentical: 5 })?.rounds, 500);
  assertEquals(findLoop(rounds(9, same), { maxRounds: 9, maxIdentical: 0 })?.rounds, 9);
});

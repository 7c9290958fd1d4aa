/** What a client gets for a compaction: one sealed item, or nothing that could replace its history. @module */
import { assert, assertEquals } from "@std/assert";
import type { Json } from "@synth/core";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import { lines } from "../testing/lines.ts";
import {
  call,
  calls,
  delta,
  finish,
  makeMachine,
  makePlan,
  runTurn,
  usage,
} from "../testing/turn.ts";
import type { TurnEnd } from "./machine.ts";
import { CollectingSink } from "./sink.ts";

const PLAN = makePlan([{ upstreamName: "f", allowed: false }], {
  compaction: true,
  reasoning: { as: "summary", seal: true },
});
const SEALED = 'sealed:{"kind":"compaction","text":"All is done."}';

function outputOf(chunks: Json[], end: Partial<TurnEnd> = {}): string {
  const { events, response } = runTurn(PLAN, chunks, end);
  assertEquals(checkEvents(events), []);
  const items = response.output.map((item) =>
    item.type === "compaction" ? item.encrypted_content : item.type
  );
  return [response.status, ...items].join(" ");
}

Deno.test("a compaction is one item and no word in the clear", () => {
  const { events, response } = runTurn(PLAN, [
    delta({ reasoning_content: "hm" }),
    delta({ content: "All is" }),
    calls(call(0, "a", "f", "{}")),
    delta({ content: " done.\n" }),
    finish("stop"),
    usage(),
  ]);
  assertEquals(checkEvents(events), []);
  assertEquals(lines(events), [
    "created []",
    "in_progress []",
    "output_item.added o0 cmp_1",
    "output_item.done o0 cmp_1",
    "completed [cmp_1]",
  ]);
  assertEquals(response.output, [{ id: "cmp_1", type: "compaction", encrypted_content: SEALED }]);
  assertEquals(response.usage?.output_tokens, 7);
});

Deno.test("a compaction without a whole summary gives no item", () => {
  const said = delta({ content: "All is" });
  const cases: [string, Json[], string, Partial<TurnEnd>?][] = [
    ["nothing said", [finish("stop")], "failed"],
    ["white space", [delta({ content: " \n" }), finish("stop")], "failed"],
    ["a call only", [calls(call(0, "a", "f", "{}")), finish("tool_calls")], "failed"],
    ["an undeclared call", [calls(call(0, "a", "nobody", "{}")), finish("tool_calls")], "failed"],
    ["a refusal", [delta({ refusal: "no" }), finish("stop")], "failed"],
    ["cut by length", [said, finish("length")], "incomplete"],
    ["filtered", [said, finish("content_filter")], "incomplete"],
    ["cut by the budget", [said], "incomplete", { reason: "cut" }],
    ["the end of the stream", [said], "failed", { reason: "eof" }],
    ["an error", [said, { error: { message: "broke" } }], "failed"],
  ];
  for (const [name, chunks, expected, end] of cases) {
    assertEquals(outputOf(chunks, end), expected, name);
  }
});

Deno.test("a compaction takes no refusal for a summary, and no thought", () => {
  const plan = { ...PLAN, refusalAsText: true, thinkTags: true };
  const refused = runTurn(plan, [delta({ refusal: "I cannot" }), finish("stop")]);
  assertEquals([refused.response.status, refused.response.output], ["failed", []]);
  const thought = runTurn(plan, [delta({ content: "<think>hm</think>All is done." })]);
  assertEquals(thought.response.output.map((item) => item.type), ["compaction"]);
  assert(JSON.stringify(thought.events).includes('\\"All is done.\\"'));
  assert(!JSON.stringify(thought.events).includes("hm"));
});

Deno.test("a compaction that cannot be sealed fails", () => {
  const machine = makeMachine(PLAN, new CollectingSink(), () => {
    throw new Error("no key");
  });
  machine.chunk(delta({ content: "All is done." }));
  const response = machine.finish({ reason: "done", now: 1 });
  assertEquals([response.status, response.output], ["failed", []]);
});

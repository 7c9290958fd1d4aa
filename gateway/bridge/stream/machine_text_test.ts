/** Text, refusals and reasoning: where they come from and how this client gets them. @module */
import { assert, assertEquals, assertNotStrictEquals } from "@std/assert";
import type { Json } from "@synth/core";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import type { TurnPlan } from "../plan.ts";
import { describeItem } from "../testing/lines.ts";
import {
  args,
  call,
  calls,
  delta,
  finish,
  makeMachine,
  makePlan,
  runTurn,
} from "../testing/turn.ts";
import { CollectingSink } from "./sink.ts";

function items(chunks: Json[], changes: Partial<TurnPlan> = {}): string[] {
  const { events, response } = runTurn(makePlan(["f"], changes), [...chunks, finish("stop")]);
  assertEquals(checkEvents(events), []);
  assertEquals(response.status, "completed");
  return response.output.map(describeItem);
}

Deno.test("ResponseMachine finds reasoning wherever servers put it, once", () => {
  const thought = ['rs_1 completed [reasoning_text "hm"]', 'msg_1 completed [output_text "so"]'];
  const so = delta({ content: "so" });
  const details = [{ type: "reasoning.text", text: "hm", index: 0 }];
  const sources: Json[][] = [
    [delta({ reasoning_content: "hm" }), so],
    [delta({ reasoning: "hm" }), so],
    [delta({ reasoning_content: "hm", reasoning: "hm", reasoning_details: details }), so],
    [delta({ reasoning_details: details }), so],
    [delta({ reasoning_details: [{ type: "reasoning.summary", summary: "hm" }] }), so],
    [delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "hm" }] }] }), so],
    [delta({ content: [{ type: "thinking", thinking: "hm" }, { type: "text", text: "so" }] })],
    [delta({ reasoning_content: "hm", content: "so" })],
    [
      delta({ reasoning_content: "", content: "" }),
      delta({ reasoning: "h" }),
      delta({
        reasoning: "m",
        content: null,
      }),
      so,
    ],
  ];
  for (const chunks of sources) assertEquals(items(chunks), thought);
});

Deno.test("ResponseMachine parses think tags only when the plan says so", () => {
  const chunks = [delta({ content: "<thi" }), delta({ content: "nk>hm</think>\n\nso" })];
  assertEquals(items(chunks, { thinkTags: true }), [
    'rs_1 completed [reasoning_text "hm"]',
    'msg_1 completed [output_text "so"]',
  ]);
  assertEquals(items(chunks), [`msg_1 completed [output_text "<think>hm</think>\\n\\nso"]`]);
  assertEquals(items([delta({ content: "<thi" })], { thinkTags: true }), [
    'msg_1 completed [output_text "<thi"]',
  ]);
});

Deno.test("ResponseMachine makes a new item each time the model changes its mind", () => {
  const chunks = [
    delta({ content: "a" }),
    delta({ reasoning: "b" }),
    delta({ content: "c" }),
    delta({ content: "d" }),
  ];
  assertEquals(items(chunks), [
    'msg_1 completed [output_text "a"]',
    'rs_1 completed [reasoning_text "b"]',
    'msg_2 completed [output_text "cd"]',
  ]);
});

Deno.test("ResponseMachine puts a refusal in its own part, or in the text where clients drop it", () => {
  const chunks = [
    delta({ content: "So" }),
    delta({ refusal: " I can" }),
    delta({ refusal: "not" }),
    delta({ content: "!" }),
  ];
  assertEquals(items(chunks), [
    'msg_1 completed [output_text "So" refusal " I cannot" output_text "!"]',
  ]);
  assertEquals(items(chunks, { refusalAsText: true }), [
    'msg_1 completed [output_text "So I cannot!"]',
  ]);
});

Deno.test("ResponseMachine seals reasoning with what the upstream wants back", () => {
  const reasoning = { as: "summary" as const, seal: true };
  const chunks = [
    delta({ reasoning: "a", reasoning_details: [{ type: "reasoning.text", text: "a", index: 0 }] }),
    delta({ reasoning: "b", reasoning_details: [{ type: "reasoning.text", text: "b", index: 0 }] }),
    delta({ reasoning_details: [{ type: "reasoning.encrypted", data: "x", index: 1 }] }),
    delta({ content: "so" }),
  ];
  const sealed = JSON.stringify({
    kind: "reasoning",
    text: "ab",
    details: [
      { type: "reasoning.text", text: "ab", index: 0 },
      { type: "reasoning.encrypted", data: "x", index: 1 },
    ],
  });
  assertEquals(
    items(chunks, { reasoning })[0],
    `rs_1 completed [summary_text "ab"] sealed:${sealed}`,
  );
  // Encrypted reasoning without any text is worth an item only to who can bring it back.
  const hidden = chunks.slice(2);
  assertEquals(items(hidden, { reasoning }).length, 2);
  assertEquals(items(hidden).length, 1);
});

Deno.test("ResponseMachine goes on without a seal that cannot be made", () => {
  const sink = new CollectingSink();
  const plan = makePlan([], { reasoning: { as: "summary", seal: true } });
  const machine = makeMachine(plan, sink, () => {
    throw new Error("no key");
  });
  machine.chunk(delta({ reasoning: "a" }));
  const response = machine.finish({ reason: "done", now: 1 });
  assertEquals(checkEvents(sink.events), []);
  assertEquals(response.output.map(describeItem)[0], 'rs_1 completed [summary_text "a"]');
});

Deno.test("ResponseMachine carries log probabilities only when they were asked for", () => {
  const one = (token: string) => ({
    token,
    logprob: -0.5,
    bytes: [97],
    top_logprobs: [{ token, logprob: -0.5, bytes: null }, "x"],
  });
  const said = (token: string) => ({
    token,
    logprob: -0.5,
    bytes: [97],
    top_logprobs: [{ token, logprob: -0.5, bytes: [] }],
  });
  const chunks = ["a", "b"].map((token) => ({
    choices: [{ index: 0, delta: { content: token }, logprobs: { content: [one(token), null] } }],
  }));
  const asked = runTurn(makePlan([], { logprobs: true }), chunks);
  assertEquals(checkEvents(asked.events), []);
  const deltas = asked.events.filter((event) => event.type === "response.output_text.delta");
  assertEquals(deltas.map((event) => "logprobs" in event ? event.logprobs : null) as Json, [
    [said("a")],
    [said("b")],
  ]);
  const [item] = asked.response.output;
  assert(item?.type === "message" && item.content[0]?.type === "output_text");
  assertEquals<Json>(item.content[0].logprobs, [said("a"), said("b")]);
  assert(!JSON.stringify(runTurn(makePlan(), chunks).events).includes("-0.5"));
});

Deno.test("ResponseMachine never changes an event that it gave", () => {
  const sink = new CollectingSink();
  const machine = makeMachine(makePlan(["f"]), sink);
  const seen: string[] = [];
  const note = () => {
    for (const event of sink.events.slice(seen.length)) seen.push(JSON.stringify(event));
  };
  const chunks = [
    delta({ reasoning: "a" }),
    delta({ content: "b" }),
    delta({ refusal: "c" }),
    calls(call(0, "x", "f", "{}")),
    delta({ content: "d" }),
  ];
  for (const chunk of chunks) {
    machine.chunk(chunk);
    note();
  }
  const response = machine.finish({ reason: "done", now: 1 });
  note();
  response.output.length = 0;
  assertEquals(sink.events.slice(0, -1).map((event) => JSON.stringify(event)), seen.slice(0, -1));
  const [created] = sink.events;
  assert(created !== undefined && "response" in created);
  assertNotStrictEquals(created.response.output, response.output);
});

Deno.test("ResponseMachine takes text after a choice of an old completion, and one choice only", () => {
  assertEquals(items([{ choices: [{ text: "a" }] }, { choices: [{ text: "b" }] }]), [
    'msg_1 completed [output_text "ab"]',
  ]);
  assertEquals(
    items([
      { choices: [{ index: 1, delta: { content: "a" } }] },
      { choices: [{ index: 0, delta: { content: "WRONG" } }] },
      { choices: [{ index: 1, delta: { content: "b" } }] },
      { choices: [{ index: 0, delta: { content: "WRONG" }, finish_reason: "length" }] },
    ]),
    ['msg_1 completed [output_text "ab"]'],
  );
});

Deno.test("ResponseMachine joins a character whose halves come apart, and replaces one that stays alone", () => {
  const halves = ["\ud83d", "\ude42"];
  const places: [string, (text: string) => Json][] = [
    ["output_text", (text) => delta({ content: text })],
    ["refusal", (text) => delta({ refusal: text })],
    ["reasoning_text", (text) => delta({ reasoning_content: text })],
  ];
  for (const [type, say] of places) {
    const of = (...pieces: string[]): string[] => {
      const turn = runTurn(makePlan(["f"]), [...pieces.map(say), finish("stop")]);
      assertEquals(checkEvents(turn.events), []);
      for (const event of turn.events) {
        assert(!/\\ud[89a-f]/i.test(JSON.stringify(event)), JSON.stringify(event));
      }
      const deltas = turn.events.filter((event) => "delta" in event);
      return deltas.map((event) => "delta" in event ? String(event.delta) : "");
    };
    assertEquals(of("a" + halves[0], halves[1] + "b"), ["a", "\u{1f642}b"], type);
    assertEquals(of("a" + halves[0], "b"), ["a", "\ufffdb"], type);
    assertEquals(of("a" + halves[0]), ["a", "\ufffd"], type);
    assertEquals(of(halves[1] + "b"), ["\ufffdb"], type);
  }
});

Deno.test("ResponseMachine joins a character of a call's arguments whose halves come apart", () => {
  const chunks = [
    calls(call(0, "call_1", "f", '{"a":"\ud83d')),
    args(0, '\ude42"}'),
    finish("tool_calls"),
  ];
  const { events, response } = runTurn(makePlan(["f"]), chunks);
  assertEquals(checkEvents(events), []);
  const [item] = response.output;
  assert(item?.type === "function_call");
  assertEquals(item.arguments, '{"a":"\u{1f642}"}');
});

/** The vectors of the reference (Appendix A): what an upstream sends, and the exact list of events. @module */
import { assert, assertEquals } from "@std/assert";
import type { Json } from "@synth/core";
import type { TurnPlan } from "../plan.ts";
import { lines } from "../testing/lines.ts";
import { args, call, calls, delta, finish, makePlan, runTurn, usage } from "../testing/turn.ts";

const PLAN = makePlan([
  "f",
  "g",
  "exec_command",
  { upstreamName: "apply_patch", kind: "custom" },
  { upstreamName: "tool_search", kind: "tool_search" },
  {
    upstreamName: "multi_agent_v1__close_agent",
    name: "close_agent",
    namespace: "multi_agent_v1",
  },
  { upstreamName: "__internal_stop", kind: "stop" },
]);
const BEGIN = ["created []", "in_progress []"];

function vector(name: string, chunks: Json[], expected: string[], plan: TurnPlan = PLAN): void {
  Deno.test(`ResponseMachine gives exactly the events of ${name}`, () => {
    assertEquals(lines(runTurn(plan, chunks).events), expected);
  });
}

/** The lines of a message with one part of text. */
function message(index: number, id: string, deltas: string[], status = "completed"): string[] {
  const at = `${id} o${index} c0`;
  const all = JSON.stringify(deltas.join(""));
  return [
    `output_item.added o${index} ${id} in_progress []`,
    `content_part.added ${at} output_text ""`,
    ...deltas.map((one) => `output_text.delta ${at} ${JSON.stringify(one)}`),
    `output_text.done ${at} ${all}`,
    `content_part.done ${at} output_text ${all}`,
    `output_item.done o${index} ${id} ${status} [output_text ${all}]`,
  ];
}

/** The lines of a function call. */
function fn(index: number, id: string, callId: string, name: string, deltas: string[]): string[] {
  const item = (status: string, json: string) =>
    `o${index} ${id} function_call ${status} ${callId} ${
      JSON.stringify({ name, arguments: json })
    }`;
  const all = deltas.join("");
  return [
    `output_item.added ${item("in_progress", "")}`,
    ...deltas.map((one) => `function_call_arguments.delta ${id} o${index} ${JSON.stringify(one)}`),
    `function_call_arguments.done ${id} o${index} ${JSON.stringify(name)} ${JSON.stringify(all)}`,
    `output_item.done ${item("completed", all)}`,
  ];
}

const A1 = [
  delta({ role: "assistant", content: "" }),
  delta({ content: "Hel" }),
  delta({ content: "lo" }),
  finish("stop"),
  usage(),
];

vector("A1", A1, [
  "created []",
  "in_progress []",
  "output_item.added o0 msg_1 in_progress []",
  'content_part.added msg_1 o0 c0 output_text ""',
  'output_text.delta msg_1 o0 c0 "Hel"',
  'output_text.delta msg_1 o0 c0 "lo"',
  'output_text.done msg_1 o0 c0 "Hello"',
  'content_part.done msg_1 o0 c0 output_text "Hello"',
  'output_item.done o0 msg_1 completed [output_text "Hello"]',
  "completed [msg_1]",
]);

Deno.test("ResponseMachine gives every member of the events of A1", () => {
  const { events } = runTurn(PLAN, A1);
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 };
  const part = { type: "output_text", text: "Hello", annotations: [], logprobs: [] };
  assertEquals(events.slice(2, 9) as unknown, [
    {
      type: "response.output_item.added",
      sequence_number: 2,
      output_index: 0,
      item: { id: "msg_1", type: "message", status: "in_progress", role: "assistant", content: [] },
    },
    {
      type: "response.content_part.added",
      sequence_number: 3,
      ...at,
      part: { ...part, text: "" },
    },
    {
      type: "response.output_text.delta",
      sequence_number: 4,
      ...at,
      delta: "Hel",
      logprobs: [],
    },
    { type: "response.output_text.delta", sequence_number: 5, ...at, delta: "lo", logprobs: [] },
    { type: "response.output_text.done", sequence_number: 6, ...at, text: "Hello", logprobs: [] },
    { type: "response.content_part.done", sequence_number: 7, ...at, part },
    {
      type: "response.output_item.done",
      sequence_number: 8,
      output_index: 0,
      item: {
        id: "msg_1",
        type: "message",
        status: "completed",
        role: "assistant",
        content: [part],
      },
    },
  ]);
});

Deno.test("ResponseMachine gives every member of the response of A1", () => {
  const { events, response } = runTurn(PLAN, A1);
  const expected = {
    id: "resp_1",
    object: "response",
    created_at: 1000,
    completed_at: 1001,
    status: "completed",
    background: false,
    error: null,
    incomplete_details: null,
    output: [{
      id: "msg_1",
      type: "message",
      status: "completed",
      role: "assistant",
      content: [{ type: "output_text", text: "Hello", annotations: [], logprobs: [] }],
    }],
    usage: {
      input_tokens: 11,
      input_tokens_details: { cached_tokens: 3, cache_write_tokens: 0 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 2 },
      total_tokens: 18,
    },
    ...PLAN.echo,
  };
  assertEquals<unknown>(response, expected);
  const last = events.at(-1);
  assert(last !== undefined && "response" in last);
  assertEquals<unknown>(last.response, expected);
  const first = events[0];
  assert(first !== undefined && "response" in first);
  assertEquals<unknown>(first.response, {
    ...expected,
    status: "in_progress",
    completed_at: null,
    output: [],
    usage: null,
  });
});

vector(
  "A2",
  [calls(call(0, "call_a", "f", "")), args(0, '{"a":'), args(0, "1}"), finish("tool_calls")],
  [...BEGIN, ...fn(0, "fc_1", "call_a", "f", ['{"a":', "1}"]), "completed [fc_1]"],
);

vector("A3, known complete", [
  calls(call(0, "call_a", "f", "")),
  calls(call(1, "call_b", "g", "")),
  args(0, '{"a":'),
  args(1, '{"b"'),
  args(0, "1}"),
  args(1, ":2}"),
  finish("tool_calls"),
], [
  ...BEGIN,
  ...fn(0, "fc_1", "call_a", "f", ['{"a":', "1}"]),
  ...fn(1, "fc_2", "call_b", "g", ['{"b":2}']),
  "completed [fc_1,fc_2]",
]);

vector("A3, known at the end", [
  calls(call(0, "call_a", "f", "")),
  calls(call(1, "call_b", "g", '{"b":2}')),
  finish("tool_calls"),
], [
  ...BEGIN,
  ...fn(0, "fc_1", "call_a", "f", ["{}"]),
  ...fn(1, "fc_2", "call_b", "g", ['{"b":2}']),
  "completed [fc_1,fc_2]",
]);

const THINKING = [
  delta({ role: "assistant", reasoning_content: "", content: null }),
  delta({ reasoning_content: "let me " }),
  delta({ reasoning_content: "think" }),
  delta({ content: "answer" }),
  finish("stop"),
];

vector(
  "A4",
  THINKING,
  [
    ...BEGIN,
    "output_item.added o0 rs_1 in_progress []",
    'reasoning_summary_part.added rs_1 o0 s0 summary_text ""',
    'reasoning_summary_text.delta rs_1 o0 s0 "let me "',
    'reasoning_summary_text.delta rs_1 o0 s0 "think"',
    'reasoning_summary_text.done rs_1 o0 s0 "let me think"',
    'reasoning_summary_part.done rs_1 o0 s0 summary_text "let me think"',
    'output_item.done o0 rs_1 completed [summary_text "let me think"] ' +
    'sealed:{"kind":"reasoning","text":"let me think"}',
    ...message(1, "msg_1", ["answer"]),
    "completed [rs_1,msg_1]",
  ],
  { ...PLAN, reasoning: { as: "summary", seal: true } },
);

vector("A4b", THINKING, [
  ...BEGIN,
  "output_item.added o0 rs_1 in_progress []",
  'content_part.added rs_1 o0 c0 reasoning_text ""',
  'reasoning_text.delta rs_1 o0 c0 "let me "',
  'reasoning_text.delta rs_1 o0 c0 "think"',
  'reasoning_text.done rs_1 o0 c0 "let me think"',
  'content_part.done rs_1 o0 c0 reasoning_text "let me think"',
  'output_item.done o0 rs_1 completed [reasoning_text "let me think"]',
  ...message(1, "msg_1", ["answer"]),
  "completed [rs_1,msg_1]",
]);

vector("A5", [
  delta({ reasoning: "hm" }),
  delta({ content: "So" }),
  calls(call(0, "call_a", "f", '{"a":1}')),
  finish("tool_calls"),
], [
  ...BEGIN,
  "output_item.added o0 rs_1 in_progress []",
  'content_part.added rs_1 o0 c0 reasoning_text ""',
  'reasoning_text.delta rs_1 o0 c0 "hm"',
  'reasoning_text.done rs_1 o0 c0 "hm"',
  'content_part.done rs_1 o0 c0 reasoning_text "hm"',
  'output_item.done o0 rs_1 completed [reasoning_text "hm"]',
  ...message(1, "msg_1", ["So"]),
  ...fn(2, "fc_1", "call_a", "f", ['{"a":1}']),
  "completed [rs_1,msg_1,fc_1]",
]);

vector("A6", [
  delta({ content: "before" }),
  calls(call(0, "call_a", "f", "{}")),
  delta({ content: "after" }),
  finish("tool_calls"),
], [
  ...BEGIN,
  ...message(0, "msg_1", ["before"]),
  ...fn(1, "fc_1", "call_a", "f", ["{}"]),
  ...message(2, "msg_2", ["after"]),
  "completed [msg_1,fc_1,msg_2]",
]);

vector("A7", [delta({ refusal: "I can" }), delta({ refusal: "not" }), finish("stop")], [
  ...BEGIN,
  "output_item.added o0 msg_1 in_progress []",
  'content_part.added msg_1 o0 c0 refusal ""',
  'refusal.delta msg_1 o0 c0 "I can"',
  'refusal.delta msg_1 o0 c0 "not"',
  'refusal.done msg_1 o0 c0 "I cannot"',
  'content_part.done msg_1 o0 c0 refusal "I cannot"',
  'output_item.done o0 msg_1 completed [refusal "I cannot"]',
  "completed [msg_1]",
]);

vector("A8", [delta({ content: "trunc" }), finish("length")], [
  ...BEGIN,
  ...message(0, "msg_1", ["trunc"], "incomplete"),
  "incomplete [msg_1] max_output_tokens",
]);

vector("A9", [delta({ content: "trunc" }), finish("content_filter")], [
  ...BEGIN,
  ...message(0, "msg_1", ["trunc"], "incomplete"),
  "incomplete [msg_1] content_filter",
]);

vector("A10", [{
  choices: [{
    delta: { tool_calls: [{ id: "x", function: { name: "f", arguments: "{}" } }] },
    finish_reason: "tool_calls",
  }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}], [...BEGIN, ...fn(0, "fc_1", "x", "f", ["{}"]), "completed [fc_1]"]);

vector("A11, all repeated", [
  calls(call(0, "call_a", "f", "")),
  calls(call(0, "call_a", "f", '{"a":')),
  calls(call(0, "call_a", "f", "1}")),
  finish("tool_calls"),
], [...BEGIN, ...fn(0, "fc_1", "call_a", "f", ['{"a":', "1}"]), "completed [fc_1]"]);

vector("A11, empty ids", [
  calls(call(0, "call_a", "f", '{"a":')),
  calls(call(0, "", "", "1}")),
  finish("tool_calls"),
], [...BEGIN, ...fn(0, "fc_1", "call_a", "f", ['{"a":', "1}"]), "completed [fc_1]"]);

const PATCH = "*** Begin Patch\n+aé\n*** End Patch\n";
vector("A12", [
  calls(call(0, "call_p", "apply_patch", '{"inp')),
  args(0, 'ut":"*** Begin'),
  args(0, " Patch\\n+a\\u00e9"),
  args(0, '\\n*** End Patch\\n"}'),
  finish("tool_calls"),
], [
  ...BEGIN,
  'output_item.added o0 ctc_1 custom_tool_call in_progress call_p {"name":"apply_patch","input":""}',
  'custom_tool_call_input.delta ctc_1 o0 "*** Begin"',
  'custom_tool_call_input.delta ctc_1 o0 " Patch\\n+aé"',
  'custom_tool_call_input.delta ctc_1 o0 "\\n*** End Patch\\n"',
  `custom_tool_call_input.done ctc_1 o0 ${JSON.stringify(PATCH)}`,
  "output_item.done o0 ctc_1 custom_tool_call completed call_p " +
  JSON.stringify({ name: "apply_patch", input: PATCH }),
  "completed [ctc_1]",
]);

vector("A13", [
  calls(call(0, "call_n", "multi_agent_v1__close_agent", '{"id":1}')),
  finish("tool_calls"),
], [
  ...BEGIN,
  'output_item.added o0 fc_1 function_call in_progress call_n {"name":"close_agent","arguments":"",' +
  '"namespace":"multi_agent_v1"}',
  'function_call_arguments.delta fc_1 o0 "{\\"id\\":1}"',
  'function_call_arguments.done fc_1 o0 "close_agent" "{\\"id\\":1}"',
  'output_item.done o0 fc_1 function_call completed call_n {"name":"close_agent",' +
  '"arguments":"{\\"id\\":1}","namespace":"multi_agent_v1"}',
  "completed [fc_1]",
]);

vector("A14", [
  calls(call(0, "call_s", "tool_search", '{"query"')),
  args(0, ':"x"}'),
  finish("tool_calls"),
], [
  ...BEGIN,
  "output_item.added o0 tsc_1 tool_search_call in_progress call_s " +
  '{"execution":"client","arguments":{}}',
  "output_item.done o0 tsc_1 tool_search_call completed call_s " +
  '{"execution":"client","arguments":{"query":"x"}}',
  "completed [tsc_1]",
]);

vector("A15", [
  calls(call(0, "call_z", "__internal_stop", '{"final_message":')),
  args(0, '"Done."}'),
  finish("tool_calls"),
], [...BEGIN, ...message(0, "msg_1", ["Done."]), "completed [msg_1]"]);

vector("A16", [
  delta({ content: "Done." }),
  calls(call(0, "call_z", "__internal_stop", '{"final_message":"Bye."}')),
  finish("tool_calls"),
], [...BEGIN, ...message(0, "msg_1", ["Done."]), "completed [msg_1]"]);

vector("A17", [
  calls(call(0, "call_a", "exec_command", '{"cmd":"ls"}')),
  calls(call(1, "call_z", "__internal_stop", "{}")),
  finish("tool_calls"),
], [
  ...BEGIN,
  ...fn(0, "fc_1", "call_a", "exec_command", ['{"cmd":"ls"}']),
  "completed [fc_1]",
]);

vector("A18", [delta({ content: "partial" }), { error: { message: "it broke", code: 502 } }], [
  ...BEGIN,
  ...message(0, "msg_1", ["partial"], "incomplete"),
  'error "server_error" "it broke" null ' +
  '{"type":"server_error","code":"server_error","message":"it broke","param":null}',
  "failed [msg_1] server_error",
]);

Deno.test("ResponseMachine gives exactly the events of A19", () => {
  const chunks = [delta({ content: "no finish reason" })];
  assertEquals(lines(runTurn(PLAN, chunks, { reason: "eof" }).events), [
    ...BEGIN,
    ...message(0, "msg_1", ["no finish reason"], "incomplete"),
    "failed [msg_1] server_error",
  ]);
  assertEquals(lines(runTurn(PLAN, chunks, { reason: "done" }).events), [
    ...BEGIN,
    ...message(0, "msg_1", ["no finish reason"]),
    "completed [msg_1]",
  ]);
});

vector("A20", [delta({ role: "assistant", content: "" }), finish("stop")], [
  ...BEGIN,
  ...message(0, "msg_1", []),
  "completed [msg_1]",
]);

Deno.test("ResponseMachine estimates the usage of A21", () => {
  const { response, result } = runTurn(PLAN, [delta({ content: "Hello" }), finish("stop")]);
  assertEquals(response.usage, {
    input_tokens: 10,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 2,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 12,
  });
  assertEquals(result.usage.reported, false);
});

vector("A22", [
  delta({ function_call: { name: "f", arguments: '{"a":' } }),
  delta({ function_call: { arguments: "1}" } }),
  finish("function_call"),
], [...BEGIN, ...fn(0, "fc_1", "call_1", "f", ['{"a":', "1}"]), "completed [fc_1]"]);

vector("A23", [{
  object: "chat.completion",
  choices: [{
    index: 0,
    message: { role: "assistant", content: "Hello", refusal: null },
    finish_reason: "stop",
  }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
}], [...BEGIN, ...message(0, "msg_1", ["Hello"]), "completed [msg_1]"]);

vector("A24", [
  calls(call(0, "a", "f", "{}")),
  calls(call(0, "b", "f", "{}")),
  finish("tool_calls"),
], [
  ...BEGIN,
  ...fn(0, "fc_1", "a", "f", ["{}"]),
  ...fn(1, "fc_2", "b", "f", ["{}"]),
  "completed [fc_1,fc_2]",
]);

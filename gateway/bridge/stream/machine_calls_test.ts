/** Calls in all the shapes that servers give them (bridge.md 10.8 and 11), and who sees them. @module */
import { assert, assertEquals } from "@std/assert";
import type { Json } from "@synth/core";
import type { TurnPlan } from "../plan.ts";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import { args, call, calls, delta, finish, makePlan, runTurn } from "../testing/turn.ts";

const PLAN = makePlan([
  "f",
  "g",
  "get_weather",
  "get_weather_later",
  { upstreamName: "ns__x", name: "x", namespace: "ns" },
  { upstreamName: "hidden", allowed: false },
  { upstreamName: "patch", kind: "custom" },
  { upstreamName: "local_shell", kind: "local_shell" },
  { upstreamName: "shell", kind: "shell" },
  { upstreamName: "edit", kind: "apply_patch" },
  { upstreamName: "tool_search", kind: "tool_search" },
  { upstreamName: "__internal_stop", kind: "stop" },
]);

/** The calls of the final response, and that the stream was valid. */
function callsOf(chunks: Json[], plan: TurnPlan = PLAN, reason = "tool_calls"): string[] {
  const { events, response } = runTurn(plan, [...chunks, finish(reason)]);
  assertEquals(checkEvents(events), []);
  return response.output.map((item) => {
    if (item.type === "function_call") return `${item.call_id} ${item.name} ${item.arguments}`;
    if (item.type === "custom_tool_call") return `${item.call_id} ${item.name} <${item.input}>`;
    if (item.type === "message") return item.content.map((p) => "text" in p ? p.text : "").join("");
    return item.type;
  });
}

const SHAPES: [string, Json[], string[]][] = [
  ["whole arguments in one chunk", [calls(call(0, "a", "f", '{"x":1}'))], ['a f {"x":1}']],
  [
    "several calls in one chunk without index and id",
    [calls(
      { function: { name: "f", arguments: "{}" } },
      { function: { name: "f", arguments: "{}" } },
      { function: { name: "g", arguments: "" } },
    )],
    ["call_1 f {}", "call_2 f {}", "call_3 g {}"],
  ],
  [
    "calls in a row without index and id",
    [
      calls({ function: { name: "f", arguments: '{"x":' } }),
      calls({ function: { arguments: "1}" } }),
      calls({ function: { name: "g", arguments: '{"y":2}' } }),
    ],
    ['call_1 f {"x":1}', 'call_2 g {"y":2}'],
  ],
  [
    "ids but no index, interleaved",
    [
      calls({ id: "a", function: { name: "f", arguments: '{"x"' } }),
      calls({ id: "b", function: { name: "g", arguments: '{"y"' } }),
      calls({ id: "a", function: { arguments: ":1}" } }),
      calls({ id: "b", function: { arguments: ":2}" } }),
    ],
    ['a f {"x":1}', 'b g {"y":2}'],
  ],
  [
    "index 0 for all, distinct ids",
    [calls(call(0, "a", "f", '{"x":1}')), calls(call(0, "b", "f", '{"x":2}'))],
    ['a f {"x":1}', 'b f {"x":2}'],
  ],
  [
    "index 0 for all, distinct ids, interleaved",
    [
      calls(call(0, "a", "f", "")),
      calls(call(0, "b", "g", "")),
      calls(call(0, "a", "", '{"x":1}')),
      calls(call(0, "b", "", '{"y":2}')),
    ],
    ['a f {"x":1}', 'b g {"y":2}'],
  ],
  [
    "index 0 for all, no ids",
    [calls(call(0, "", "f", '{"x":1}')), calls(call(0, "", "f", '{"x":2}'))],
    ['call_1 f {"x":1}', 'call_2 f {"x":2}'],
  ],
  [
    "a new id in every delta",
    [
      calls(call(0, "r1", "f", "")),
      calls(call(0, "r2", "", '{"x":')),
      calls(call(0, "r3", "", "1}")),
    ],
    ['r1 f {"x":1}'],
  ],
  [
    "one id for all calls",
    [calls(call(0, "same", "f", "{}"), call(1, "same", "g", "{}"))],
    ["same f {}", "call_1 g {}"],
  ],
  ["an id with control characters", [calls(call(0, "a\nb", "f", "{}"))], ["call_1 f {}"]],
  ["an id that is too long", [calls(call(0, "a".repeat(257), "f", "{}"))], ["call_1 f {}"]],
  ["an id of a prototype", [calls(call(0, "__proto__", "f", "{}"))], ["__proto__ f {}"]],
  [
    "the call again with the finish reason",
    [calls(call(0, "a", "f", '{"x":1}')), calls(call(0, "a", "f", '{"x":1}'))],
    ['a f {"x":1}'],
  ],
  [
    "arguments as an object",
    [calls({ index: 0, id: "a", function: { name: "f", arguments: { x: [1] } } })],
    ['a f {"x":[1]}'],
  ],
  [
    "arguments null",
    [calls({ index: 0, id: "a", function: { name: "f", arguments: null } })],
    ["a f {}"],
  ],
  ["arguments of white space", [calls(call(0, "a", "f", " \n"))], ["a f  \n{}"]],
  ["arguments that are no JSON", [calls(call(0, "a", "f", "x = 1"))], ["a f x = 1"]],
  ["arguments that never end", [calls(call(0, "a", "f", '{"x":'))], ['a f {"x":']],
  [
    "a name in fragments",
    [calls(call(0, "a", "get_", "")), calls(call(0, "", "weather", "")), args(0, "{}")],
    ["a get_weather {}"],
  ],
  [
    "a name that is the beginning of another",
    [calls(call(0, "a", "get_weather", "")), calls(call(0, "", "_later", "")), args(0, "{}")],
    ["a get_weather_later {}"],
  ],
  [
    "a name that grows cumulatively",
    [calls(call(0, "a", "get_", "")), calls(call(0, "a", "get_weather", "")), args(0, "{}")],
    ["a get_weather {}"],
  ],
  [
    "a name after the arguments",
    [calls(call(0, "a", "", "{")), calls({ index: 0, function: { name: "f", arguments: "}" } })],
    ["a f {}"],
  ],
  ["a decorated name", [calls(call(0, "a", "functions.f", "{}"))], ["a f {}"]],
  ["a name with a dot", [calls(call(0, "a", "ns.x", "{}"))], ["a x {}"]],
  ["an index that is no number", [
    calls({ index: "0", id: "a", function: { name: "f", arguments: "{" } }),
    calls({ index: "0", function: { arguments: "}" } }),
  ], ["a f {}"]],
  [
    "text between pieces of arguments",
    [calls(call(0, "a", "f", '{"x"')), delta({ content: "hm" }), args(0, ":1}")],
    ['a f {"x":1}', "hm"],
  ],
  [
    "nonsense among the calls",
    [calls(null, 7, "x", [], {}, { function: null }, call(0, "a", "f", "{}"))],
    ["a f {}"],
  ],
  ["tool_calls that is no list", [delta({ content: "hi", tool_calls: { a: 1 } })], ["hi"]],
];

for (const [name, chunks, expected] of SHAPES) {
  Deno.test(`ResponseMachine understands calls: ${name}`, () => {
    assertEquals(callsOf(chunks), expected);
  });
}

Deno.test("ResponseMachine keeps calls from the client that were not declared or not allowed", () => {
  for (const name of ["nobody", "hidden", "", "constructor", "__proto__", "toString"]) {
    const chunks = [delta({ content: "a" }), calls(call(0, "x", name, '{"secret":1}'))];
    const { events, response, result } = runTurn(PLAN, [...chunks, finish("tool_calls")]);
    assertEquals(checkEvents(events), []);
    assertEquals(response.output.map((item) => item.type), ["message"]);
    assertEquals(response.status, "completed");
    assertEquals(result.suppressedCalls, 1);
    assert(!JSON.stringify(events).includes("secret"));
  }
});

Deno.test("ResponseMachine shows undeclared calls when nothing else was called, so that the client answers them", () => {
  const open = makePlan(["f", { upstreamName: "__internal_stop", kind: "stop" }]);
  const bash = call(0, "x", "bash", '{"cmd":"ls"}');
  const shown = 'x bash {"cmd":"ls"}';
  const cases: [string, TurnPlan, Json[], string[]][] = [
    ["alone", open, [calls(bash)], [shown]],
    ["after text", open, [delta({ content: "I look." }), calls(bash)], ["I look.", shown]],
    ["before text", open, [calls(bash), delta({ content: "I look." })], ["I look.", shown]],
    ["in pieces", open, [calls(call(0, "x", "bash", '{"cmd"')), args(0, ':"ls"}')], [shown]],
    ["without arguments", open, [calls(call(0, "x", "bash", ""))], ["x bash {}"]],
    ["beside a declared one", open, [calls(bash, call(1, "y", "f", "{}"))], ["y f {}"]],
    ["beside the stop tool", open, [calls(bash, call(1, "y", "__internal_stop", "{}"))], [""]],
    ["without a name", open, [calls(call(0, "x", "", "{}"))], [""]],
    ["a name of white space", open, [calls(call(0, "x", "a b", "{}"))], [""]],
    ["two of them", open, [calls(bash, call(1, "y", "ls", "{}"))], [shown, "y ls {}"]],
    ["two, one allowed", { ...open, parallelToolCalls: false }, [
      calls(bash, call(1, "y", "ls", "{}")),
    ], [shown]],
    ["where no tool is declared", makePlan([]), [calls(bash)], [""]],
    ["where the choice is restricted", PLAN, [calls(bash)], [""]],
  ];
  for (const [name, plan, chunks, expected] of cases) {
    const { events } = runTurn(plan, [...chunks, finish("tool_calls")]);
    assertEquals(checkEvents(events), [], name);
    assertEquals(callsOf(chunks, plan), expected, name);
  }
});

Deno.test("ResponseMachine goes on with a message when a call in between is nobody's business", () => {
  const chunks = [
    delta({ content: "a" }),
    calls(call(0, "x", "nobody", "{}")),
    delta({ content: "b" }),
  ];
  assertEquals(callsOf(chunks), ["ab"]);
});

Deno.test("ResponseMachine forwards one call at most without parallel calls", () => {
  const plan = { ...PLAN, parallelToolCalls: false };
  const chunks = [calls(
    call(0, "z", "__internal_stop", "{}"),
    call(1, "n", "nobody", "{}"),
    call(2, "a", "f", "{}"),
    call(3, "b", "g", "{}"),
  )];
  assertEquals(callsOf(chunks, plan), ["a f {}"]);
});

Deno.test("ResponseMachine takes hundreds of calls in one chunk", () => {
  const many = Array.from({ length: 300 }, (_, n) => call(n, `id${n}`, "f", "{}"));
  assertEquals(callsOf([calls(...many)]).length, 300);
});

Deno.test("ResponseMachine gives custom tools their text whatever the arguments look like", () => {
  const inputs: [string, string][] = [
    ['{"input":"a\\nb"}', "a\nb"],
    [' { "input" : "a" } ', "a"],
    ['{"input":"a","more":1}', "a"],
    ['{"input":"never ends', "never ends"],
    ['{"patch":"a"}', "a"],
    ['{"whatever":"a"}', "a"],
    ['{"x":"a","text":"b"}', "b"],
    ['{"x":1,"y":2}', '{"x":1,"y":2}'],
    ['"a\\tb"', "a\tb"],
    ["plain text", "plain text"],
    ["", ""],
    ["null", "null"],
  ];
  for (const [raw, input] of inputs) {
    const whole = callsOf([calls(call(0, "a", "patch", raw))]);
    assertEquals(whole, [`a patch <${input}>`]);
    const pieces = [...raw].map((character) => args(0, character));
    assertEquals(callsOf([calls(call(0, "a", "patch", "")), ...pieces]), whole);
  }
});

Deno.test("ResponseMachine streams a native custom call as it is", () => {
  const chunks = [
    calls({ index: 0, id: "a", type: "custom", custom: { name: "patch", input: '{"in' } }),
    calls({ index: 0, custom: { input: 'put":1}' } }),
  ];
  assertEquals(callsOf(chunks), ['a patch <{"input":1}>']);
});

Deno.test("ResponseMachine makes the items of typed tools from their arguments", () => {
  const items = (name: string, json: string) => {
    const { events, response } = runTurn(PLAN, [calls(call(0, "a", name, json))]);
    assertEquals(checkEvents(events), []);
    assertEquals(events.length, 5);
    const { id: _, ...item } = response.output[0] as { id: string };
    return item as unknown;
  };
  const base = { status: "completed", call_id: "a" };
  assertEquals(
    items(
      "local_shell",
      '{"command":["ls"],"workdir":"/x","timeout_ms":5,"env":{"A":"1","B":2}}',
    ),
    {
      ...base,
      type: "local_shell_call",
      action: {
        type: "exec",
        command: ["ls"],
        env: { A: "1" },
        timeout_ms: 5,
        working_directory: "/x",
      },
    },
  );
  assertEquals(items("shell", '{"commands":["ls","pwd"]}'), {
    ...base,
    type: "shell_call",
    action: { commands: ["ls", "pwd"], timeout_ms: null, max_output_length: null },
    environment: null,
  });
  const operation = { type: "delete_file", path: "a" };
  for (const given of [operation, { operation }]) {
    assertEquals(items("edit", JSON.stringify(given)), {
      ...base,
      type: "apply_patch_call",
      operation,
    });
  }
  for (const json of ["{}", "[]", "7", "{broken}"]) {
    assertEquals(items("tool_search", json), {
      ...base,
      type: "tool_search_call",
      execution: "client",
      arguments: {},
    });
  }
});

Deno.test("ResponseMachine never shows the stop tool", () => {
  const stop = call(1, "z", "__internal_stop", '{"final_message":"Bye.","reason":"done"}');
  const turns: [Json[], string[]][] = [
    [[calls(stop)], ["Bye."]],
    [[delta({ content: "So." }), calls(stop)], ["So."]],
    [[calls(call(0, "a", "f", "{}"), stop)], ["a f {}"]],
    [[calls(stop), calls(call(2, "a", "f", "{}"))], ["a f {}"]],
    [[calls(call(0, "z", "__internal_stop", "no json"))], [""]],
    [[calls(call(0, "z", "__internal_stop", ""))], [""]],
    [[calls(call(0, "z", "__internal_", "")), calls(call(0, "z", "stop", "{}"))], [""]],
  ];
  for (const [chunks, expected] of turns) {
    assertEquals(callsOf(chunks), expected);
    assertEquals(callsOf(chunks, PLAN, "stop"), expected);
    const { events } = runTurn(PLAN, chunks);
    assert(!JSON.stringify(events).includes("__internal"));
    assert(!JSON.stringify(events).includes('reason\\"'));
  }
});

Deno.test("ResponseMachine adds nothing to a call that a later item has concluded", () => {
  for (const late of ["\n", ' {"x":2}', "}"]) {
    for (const between of [{ content: "so" }, { reasoning_content: "hm" }]) {
      for (const name of ["f", "patch"]) {
        const given = '{"input":"y"}';
        const told = name === "f" ? `a f ${given}` : "a patch <y>";
        const other = "content" in between ? "so" : "reasoning";
        assertEquals(
          callsOf([calls(call(0, "a", name, given)), delta(between), args(0, late)]),
          [told, other],
        );
      }
    }
  }
});

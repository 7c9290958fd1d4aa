/** How turns end: one terminal event, whatever happens (bridge.md 10, terminal choice). @module */
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import type { Json } from "@synth/core";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import { isTerminal } from "../events.ts";
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
  usage,
} from "../testing/turn.ts";
import type { TurnEnd } from "./machine.ts";
import { CollectingSink } from "./sink.ts";

const PLAN = makePlan([
  "f",
  "g",
  { upstreamName: "patch", kind: "custom" },
  { upstreamName: "__internal_stop", kind: "stop" },
]);

/** Status, reason or error code, and the items. */
function ending(chunks: Json[], end: Partial<TurnEnd> = {}): string[] {
  const { events, response } = runTurn(PLAN, chunks, end);
  assertEquals(checkEvents(events), []);
  const why = response.error?.code ?? response.incomplete_details?.reason ?? "";
  return [`${response.status} ${why}`.trim(), ...response.output.map(describeItem)];
}

const HI = 'msg_1 completed [output_text "hi"]';
const CUT_HI = 'msg_1 incomplete [output_text "hi"]';
const F = 'fc_1 function_call completed a {"name":"f","arguments":"{}"}';
const hi = delta({ content: "hi" });
const f = calls(call(0, "a", "f", "{}"));

const ENDINGS: [string, Json[], Partial<TurnEnd>, string[]][] = [
  ["stop", [hi, finish("stop")], {}, ["completed", HI]],
  ["an unknown reason", [hi, finish("eos_token")], {}, ["completed", HI]],
  ["an empty reason", [hi, finish("")], {}, ["completed", HI]],
  ["no reason", [hi], {}, ["completed", HI]],
  ["a reason but no [DONE]", [hi, finish("stop")], { reason: "eof" }, ["completed", HI]],
  ["neither reason nor [DONE]", [hi], { reason: "eof" }, ["failed server_error", CUT_HI]],
  ["a reset behind the reason", [hi, finish("stop")], { reason: "error" }, ["completed", HI]],
  ["silence behind the reason", [hi, finish("stop")], { reason: "idle" }, ["completed", HI]],
  ["a reset behind a whole call", [f, finish("tool_calls")], { reason: "error" }, ["completed", F]],
  [
    "a reset behind a reason and in a call",
    [
      finish("tool_calls"),
      calls(call(0, "a", "f", '{"x"')),
    ],
    { reason: "error" },
    ["failed server_error"],
  ],
  ["a reset behind a cut answer", [hi, finish("length")], { reason: "error" }, [
    "incomplete max_output_tokens",
    CUT_HI,
  ]],
  ["a reset behind a failure", [hi, finish("network_error")], { reason: "error" }, [
    "failed server_error",
    CUT_HI,
  ]],
  ["a reset before the reason", [hi], { reason: "error" }, ["failed server_error", CUT_HI]],
  ["nothing at all", [], {}, ["failed server_error"]],
  ["nothing at all, cut", [], { reason: "eof" }, ["failed server_error"]],
  ["only usage", [usage()], {}, ["failed server_error"]],
  ["the first of two reasons", [hi, finish("length"), finish("stop")], {}, [
    "incomplete max_output_tokens",
    CUT_HI,
  ]],
  ["the model's context", [hi, finish("model_context_window_exceeded")], {}, [
    "incomplete max_output_tokens",
    CUT_HI,
  ]],
  ["MAX_TOKENS", [hi, finish("MAX_TOKENS")], {}, ["incomplete max_output_tokens", CUT_HI]],
  ["sensitive", [hi, finish("sensitive")], {}, ["incomplete content_filter", CUT_HI]],
  ["network_error", [hi, finish("network_error")], {}, ["failed server_error", CUT_HI]],
  ["nothing said at the limit", [finish("length")], {}, ["incomplete max_output_tokens"]],
  ["reasoning alone", [delta({ reasoning: "r" }), finish("stop")], {}, [
    "completed",
    'rs_1 completed [reasoning_text "r"]',
    'msg_1 completed [output_text ""]',
  ]],
  ["reasoning at the limit", [delta({ reasoning: "r" }), finish("length")], {}, [
    "incomplete max_output_tokens",
    'rs_1 incomplete [reasoning_text "r"]',
  ]],
  ["a call with stop", [f, finish("stop")], {}, ["completed", F]],
  ["a call without reason", [f], {}, ["completed", F]],
  ["a whole call at the limit", [f, finish("length")], {}, ["completed", F]],
  ["a whole call, then text at the limit", [f, hi, finish("length")], {}, ["completed", F, HI]],
  ["a cut call at the limit", [hi, calls(call(0, "a", "f", '{"x')), finish("length")], {}, [
    "incomplete max_output_tokens",
    HI,
  ]],
  ["a call without arguments at the limit", [calls(call(0, "a", "f", "")), finish("length")], {}, [
    "incomplete max_output_tokens",
  ]],
  [
    "a cut custom call at the limit",
    [calls(call(0, "a", "patch", '{"input":"rm -rf')), finish("length")],
    {},
    ["incomplete max_output_tokens"],
  ],
  [
    "a whole call, then a cut one",
    [f, calls(call(1, "b", "g", '{"x')), finish("length")],
    {},
    ["completed", F],
  ],
  [
    "a cut call, then a whole one",
    [calls(call(0, "b", "g", '{"x')), calls(call(1, "a", "f", "{}")), finish("length")],
    {},
    ["incomplete max_output_tokens"],
  ],
  [
    "a cut stop at the limit",
    [calls(call(0, "z", "__internal_stop", '{"final')), finish("length")],
    {},
    ["incomplete max_output_tokens"],
  ],
  [
    "a whole stop at the limit",
    [hi, calls(call(0, "z", "__internal_stop", "{}")), finish("length")],
    {},
    ["completed", HI],
  ],
  [
    "a whole stop before a cut call",
    [calls(call(0, "z", "__internal_stop", "{}"), call(1, "a", "f", '{"x')), finish("length")],
    {},
    ["incomplete max_output_tokens"],
  ],
  ["the budget", [hi], { reason: "cut" }, ["incomplete max_output_tokens", CUT_HI]],
  ["the budget inside a call", [hi, f], { reason: "cut" }, ["incomplete max_output_tokens", HI]],
  ["silence", [hi], { reason: "idle" }, ["failed server_error", CUT_HI]],
  ["a client that left", [hi, f], { reason: "aborted" }, ["failed server_error", HI]],
  [
    "an error of the gateway",
    [hi],
    { reason: "error", error: { code: "rate_limit_exceeded", message: "m" } },
    ["failed rate_limit_exceeded", CUT_HI],
  ],
  [
    "an error that clients do not know",
    [],
    { reason: "error", error: { code: "upstream_auth", message: "m" } },
    ["failed server_error"],
  ],
  ["an error in a choice", [hi, { choices: [{ error: { message: "m", code: 429 } }] }], {}, [
    "failed rate_limit_exceeded",
    CUT_HI,
  ]],
  ["an error as a string", [{ error: "m" }], {}, ["failed server_error"]],
  ["a bare error", [{ object: "error", message: "m" }], {}, ["failed server_error"]],
  ["an error after a call", [f, { error: { message: "m" } }], {}, ["failed server_error"]],
  ["error: null", [{ error: null, choices: [{ delta: { content: "hi" } }] }], {}, [
    "completed",
    HI,
  ]],
];

for (const [name, chunks, end, expected] of ENDINGS) {
  Deno.test(`ResponseMachine ends a turn: ${name}`, () => {
    assertEquals(ending(chunks, end), expected);
  });
}

Deno.test("ResponseMachine never concludes a call that was cut", () => {
  for (const reason of ["eof", "idle", "cut", "aborted"] as const) {
    const { events } = runTurn(PLAN, [calls(call(0, "a", "f", "{")), args(0, "}")], { reason });
    assertEquals(events.filter((event) => event.type.endsWith(".done")), []);
    assertEquals(events.filter(isTerminal).length, 1);
  }
});

Deno.test("ResponseMachine.finish is idempotent and nothing follows the terminal event", () => {
  const sink = new CollectingSink();
  const machine = makeMachine(PLAN, sink);
  machine.chunk(hi);
  const first = machine.finish({ reason: "done", now: 1 });
  const count = sink.events.length;
  machine.chunk(hi);
  machine.chunk({ error: "late" });
  machine.keepalive();
  machine.start();
  assertStrictEquals(machine.finish({ reason: "error", now: 2 }), first);
  assertEquals(sink.events.length, count);
  assert(machine.done);
});

Deno.test("ResponseMachine ends at once with an upstream's error, in both shapes", () => {
  const sink = new CollectingSink();
  const machine = makeMachine(PLAN, sink);
  machine.chunk({ error: { message: "slow down", code: "rate_limit_exceeded" } });
  assert(machine.done);
  const [error, failed] = sink.events.slice(-2);
  assertEquals(error as unknown, {
    type: "error",
    sequence_number: 2,
    code: "rate_limit_exceeded",
    message: "slow down",
    param: null,
    error: {
      type: "rate_limit_error",
      code: "rate_limit_exceeded",
      message: "slow down",
      param: null,
    },
  });
  assertEquals(failed?.type, "response.failed");
  assertEquals(machine.result.started, false);
});

Deno.test("ResponseMachine gives up on a stream of nonsense", () => {
  const chunks: Json[] = Array.from({ length: 150 }, (_, n) => n % 2 === 0 ? "x" : null);
  assertEquals(ending(chunks), ["failed server_error"]);
  assertEquals(ending([...chunks.slice(0, 50), hi, finish("stop")]), ["completed", HI]);
});

Deno.test("ResponseMachine.keepalive counts like any event and comes only inside the stream", () => {
  const sink = new CollectingSink();
  const machine = makeMachine(PLAN, sink);
  machine.keepalive();
  machine.start();
  machine.keepalive();
  machine.chunk(hi);
  machine.keepalive();
  machine.finish({ reason: "done", now: 1 });
  assertEquals(checkEvents(sink.events), []);
  assertEquals(sink.events.filter((event) => event.type === "keepalive").length, 2);
});

Deno.test("ResponseMachine.result tells what was produced", () => {
  const { result } = runTurn(PLAN, [
    delta({ reasoning: "é" }),
    delta({ content: "🙂" }),
    calls(call(0, "a", "f", "{}"), call(1, "b", "nobody", "{}")),
    finish("tool_calls"),
    usage(),
  ]);
  assertEquals(result.outputBytes, 2 + 4 + 3 + 8);
  assertEquals(result.finishReason, "tool_calls");
  assertEquals(result.usage.reported, true);
  assertEquals(result.usage.totalTokens, 18);
  assertEquals(result.suppressedCalls, 1);
  assert(result.started && result.done && result.response !== null);
});

Deno.test("ResponseMachine echoes the service tier that served", () => {
  assertEquals(runTurn(PLAN, [{ service_tier: "flex" }, hi]).response.service_tier, "flex");
  assertEquals(runTurn(PLAN, [{ service_tier: "a\nb" }, hi]).response.service_tier, "default");
});

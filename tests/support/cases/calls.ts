/** Tool calls, in all the shapes that servers give them. @module */
import { call, delta, finish, stream, text, usage, usageOf } from "../chat_replies.ts";
import { fixed, ONE_CALL, type ScriptedCase, toolCall, TWO_CALLS, USAGE } from "./scripted_case.ts";

/** Cases, by name. */
export const CALL_CASES: [string, ScriptedCase][] = [
  [
    "tool",
    fixed(
      ONE_CALL,
      stream(call(0, "", "call_a", "f"), call(0, '{"a":'), call(0, "1}"), finish("tool_calls")),
    ),
  ],
  [
    "parallel",
    fixed(
      TWO_CALLS,
      stream(
        call(0, '{"a":1}', "call_a", "f"),
        call(1, '{"b":2}', "call_b", "g"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "interleaved",
    fixed(
      TWO_CALLS,
      stream(
        call(0, "", "call_a", "f"),
        call(1, "", "call_b", "g"),
        call(0, '{"a":'),
        call(1, '{"b":'),
        call(0, "1}"),
        call(1, "2}"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  ["stop-with-tool", fixed(ONE_CALL, stream(call(0, '{"a":1}', "call_a", "f"), finish("stop")))],
  ["tool-no-finish", fixed(ONE_CALL, stream(call(0, '{"a":1}', "call_a", "f")))],
  [
    "text-tool-text",
    fixed(
      {
        status: "completed",
        output: ["message:before", 'function_call:f:{"a":1}', "message:after"],
      },
      stream(
        text("before"),
        call(0, '{"a":1}', "call_a", "f"),
        text("after"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "one-chunk",
    fixed(
      { status: "completed", output: ["function_call:f:{}"], usage: USAGE },
      stream({
        ...toolCall({ id: "x", function: { name: "f", arguments: "{}" } }, "tool_calls"),
        usage: usageOf(11, 7, 3, 2),
      }),
    ),
  ],
  [
    "no-index",
    fixed(
      ONE_CALL,
      stream(
        toolCall({ id: "call_a", type: "function", function: { name: "f", arguments: '{"a":' } }),
        toolCall({ function: { arguments: "1}" } }),
        finish("tool_calls"),
      ),
    ),
  ],
  [
    "id-repeat",
    fixed(
      ONE_CALL,
      stream(
        call(0, "", "call_a", "f"),
        call(0, '{"a":', "call_a", "f"),
        call(0, "1}", "call_a", "f"),
        finish("tool_calls"),
      ),
    ),
  ],
  [
    "id-empty",
    fixed(
      ONE_CALL,
      stream(call(0, '{"a":', "call_a", "f"), call(0, "1}", ""), finish("tool_calls")),
    ),
  ],
  [
    "name-fragments",
    fixed(
      { status: "completed", output: ['function_call:get_weather:{"a":1}'] },
      stream(
        call(0, "", "call_a", "get_"),
        toolCall({ index: 0, function: { name: "weather" } }),
        call(0, '{"a":1}'),
        finish("tool_calls"),
      ),
    ),
  ],
  [
    "no-call-id",
    fixed(
      ONE_CALL,
      stream(
        toolCall({ index: 0, function: { name: "f", arguments: '{"a":1}' } }),
        finish("tool_calls"),
      ),
    ),
  ],
  [
    "same-index",
    fixed(
      { status: "completed", output: ["function_call:f:{}", "function_call:f:{}"] },
      stream(call(0, "{}", "a", "f"), call(0, "{}", "b", "f"), finish("tool_calls")),
    ),
  ],
  [
    "args-object",
    fixed(
      ONE_CALL,
      stream(
        toolCall({ index: 0, id: "call_a", function: { name: "f", arguments: { a: 1 } } }),
        finish("stop"),
      ),
    ),
  ],
  [
    "args-null",
    fixed(
      { status: "completed", output: ["function_call:f:{}"] },
      stream(
        toolCall({ index: 0, id: "call_a", function: { name: "f", arguments: null } }),
        finish("tool_calls"),
      ),
    ),
  ],
  [
    "args-empty",
    fixed(
      { status: "completed", output: ["function_call:f:{}"] },
      stream(call(0, "", "call_a", "f"), finish("tool_calls")),
    ),
  ],
  [
    "args-bad",
    fixed(
      { status: "completed", output: ['function_call:f:{"a":'] },
      stream(call(0, '{"a":', "call_a", "f"), finish("tool_calls"), usage()),
    ),
  ],
  [
    "legacy",
    fixed(
      ONE_CALL,
      stream(
        delta({ function_call: { name: "f", arguments: '{"a":' } }),
        delta({ function_call: { arguments: "1}" } }),
        finish("function_call"),
      ),
    ),
  ],
  [
    "length-tool",
    fixed(
      { status: "incomplete", reason: "max_output_tokens" },
      stream(text("So"), call(0, '{"a":', "call_a", "f"), finish("length"), usage()),
    ),
  ],
];

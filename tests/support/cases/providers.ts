/** What certain providers do. @module */
import {
  delta,
  DONE,
  finish,
  frame,
  role,
  sse,
  stream,
  text,
  usage,
  usageOf,
} from "../chat_replies.ts";
import { fixed, HELLO, type ScriptedCase, THOUGHT, toolCall, USAGE } from "./scripted_case.ts";

/** Cases, by name. */
export const PROVIDER_CASES: [string, ScriptedCase][] = [
  [
    "mistral",
    fixed(
      { status: "completed", output: ['function_call:f:{"a":1}'], usage: USAGE },
      stream(role(), {
        ...toolCall(
          { id: "abcdefghi", function: { name: "f", arguments: '{"a":1}' } },
          "tool_calls",
        ),
        usage: usageOf(11, 7, 3, 2),
      }),
    ),
  ],
  [
    "magistral",
    fixed(
      THOUGHT,
      stream(
        delta({
          content: [{ type: "thinking", thinking: [{ type: "text", text: "let me " }] }],
        }),
        delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "think" }] }] }),
        delta({ content: [{ type: "text", text: "answer" }] }),
        finish("stop"),
        usage(),
      ),
    ),
  ],
  [
    "xai",
    fixed(
      { status: "completed", output: ['function_call:f:{"a":1}'] },
      stream(
        { id: "x", choices: [{ index: 0, delta: { role: "assistant", reasoning_content: "" } }] },
        {
          id: "x",
          choices: [{
            index: 0,
            delta: {
              tool_calls: [{
                index: 0,
                id: "call_a",
                type: "function",
                function: { name: "f", arguments: '{"a":1}' },
              }],
            },
          }],
        },
        finish("tool_calls"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "moonshot",
    fixed(
      HELLO,
      stream({ id: "m", choices: [{ index: 0, delta: { content: "Hel" }, finish_reason: null }] }, {
        id: "m",
        choices: [{ index: 0, delta: { content: "lo" }, finish_reason: "stop" }],
        usage: usageOf(11, 7, 3, 2),
      }),
    ),
  ],
  [
    "openrouter",
    fixed(
      THOUGHT,
      sse([
        ": OPENROUTER PROCESSING\n\n",
        frame(delta({ reasoning_details: [{ type: "reasoning.text", text: "let me think" }] })),
        ": OPENROUTER PROCESSING\n\n",
        frame(text("answer")),
        frame({ ...finish("stop"), native_finish_reason: "STOP" }),
        frame(usage()),
        DONE,
      ]),
    ),
  ],
];

/** Reasoning beside text and calls. @module */
import { call, delta, finish, stream, text, usage } from "../chat_replies.ts";
import { fixed, type ScriptedCase, THOUGHT } from "./scripted_case.ts";

/** Cases, by name. */
export const REASONING_CASES: [string, ScriptedCase][] = [
  [
    "reasoning",
    fixed(
      THOUGHT,
      stream(
        delta({ role: "assistant", reasoning_content: "", content: null }),
        delta({ reasoning_content: "let me " }),
        delta({ reasoning_content: "think" }),
        text("answer"),
        finish("stop"),
        usage(),
      ),
    ),
  ],
  [
    "reasoning-field",
    fixed(
      THOUGHT,
      stream(
        delta({ reasoning: "let me " }),
        delta({ reasoning: "think" }),
        text("answer"),
        finish("stop"),
        usage(),
      ),
    ),
  ],
  [
    "reasoning-text-tool",
    fixed(
      {
        status: "completed",
        output: ["reasoning:let me think", "message:answer", 'function_call:f:{"a":1}'],
      },
      stream(
        delta({ reasoning_content: "let me think" }),
        text("answer"),
        call(0, '{"a":1}', "call_a", "f"),
        finish("tool_calls"),
        usage(),
      ),
    ),
  ],
  [
    "text-reasoning-text",
    fixed(
      { status: "completed", output: ["message:a", "reasoning:b", "message:c"] },
      stream(text("a"), delta({ reasoning_content: "b" }), text("c"), finish("stop"), usage()),
    ),
  ],
  [
    "reasoning-only",
    fixed(
      { status: "incomplete", reason: "max_output_tokens", output: ["reasoning:let me"] },
      stream(delta({ reasoning_content: "let me" }), finish("length"), usage()),
    ),
  ],
];

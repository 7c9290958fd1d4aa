/** What the model says, and how it ends. @module */
import {
  delta,
  DONE,
  finish,
  role,
  sse,
  stream,
  streamWithoutDone,
  text,
  usage,
} from "../chat_replies.ts";
import { fixed, HELLO, HELLO_FRAMES, type ScriptedCase } from "./scripted_case.ts";

/** Cases, by name. */
export const TEXT_CASES: [string, ScriptedCase][] = [
  ["text", fixed(HELLO, sse([...HELLO_FRAMES, DONE]))],
  [
    "utf8",
    fixed({ status: "completed", output: ["message:aé🙂\u2028\r\n\u0000b"] }, {
      ...stream(text("aé🙂"), text("\u2028\r\n"), text("\u0000b"), finish("stop"), usage()),
      bytewise: true,
    }),
  ],
  [
    "length",
    fixed(
      { status: "incomplete", reason: "max_output_tokens", output: ["message:trunc"] },
      stream(role(), text("trunc"), finish("length"), usage()),
    ),
  ],
  [
    "content-filter",
    fixed(
      { status: "incomplete", reason: "content_filter", output: ["message:trunc"] },
      stream(role(), text("trunc"), finish("content_filter"), usage()),
    ),
  ],
  [
    "context-window",
    fixed(
      { status: "incomplete", reason: "max_output_tokens", output: ["message:trunc"] },
      stream(text("trunc"), finish("model_context_window_exceeded"), usage()),
    ),
  ],
  [
    "sensitive",
    fixed(
      { status: "incomplete", reason: "content_filter", output: ["message:trunc"] },
      stream(text("trunc"), finish("sensitive"), usage()),
    ),
  ],
  ["finish-unknown", fixed(HELLO, stream(text("Hello"), finish("eos_token"), usage()))],
  ["no-finish", fixed(HELLO, stream(text("Hel"), text("lo"), usage()))],
  [
    "eof",
    fixed(
      { status: "failed", code: "server_error" },
      streamWithoutDone(text("no finish reason")),
    ),
  ],
  ["finish-without-done", fixed(HELLO, streamWithoutDone(text("Hello"), finish("stop"), usage()))],
  ["empty", fixed({ status: "completed", output: ["message:"] }, stream(role(), finish("stop")))],
  ["empty-choices", fixed(HELLO, stream(usage(), text("Hello"), finish("stop"), usage()))],
  [
    "other-choice",
    fixed(
      HELLO,
      stream(
        text("Hello"),
        { ...text("x"), choices: [{ index: 1, delta: { content: "WRONG" }, finish_reason: null }] },
        finish("stop"),
        usage(),
      ),
    ),
  ],
  [
    "refusal",
    fixed(
      { status: "completed", output: ["refusal:I cannot"] },
      stream(
        role(),
        delta({ refusal: "I can" }),
        delta({ refusal: "not" }),
        finish("stop"),
        usage(),
      ),
    ),
  ],
  [
    "text-refusal",
    fixed(
      { status: "completed", output: ["message:So+refusal:no"] },
      stream(text("So"), delta({ refusal: "no" }), finish("stop"), usage()),
    ),
  ],
];

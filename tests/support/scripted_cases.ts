/**
 * What upstreams do, one case each, and what a Responses client must see of it. The model name `mock-<case>` picks one.
 *
 * @module
 */
import {
  call,
  completion,
  delta,
  DONE,
  errorChunk,
  finish,
  frame,
  httpError,
  json,
  role,
  sse,
  stream,
  streamWithoutDone,
  text,
  usage,
  usageOf,
} from "./chat_replies.ts";
import type { RawReply } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";

/** What the client must see. */
export interface Expectation {
  /** Status of the final response, or `http`: the stream is refused with an HTTP error too. */
  readonly status: "completed" | "incomplete" | "failed" | "http";
  /** The items, as {@linkcode describeOutput} writes them. */
  readonly output?: readonly string[];
  /** `incomplete_details.reason`. */
  readonly reason?: string;
  /** `error.code`. */
  readonly code?: string;
  /** Status of the unary answer (and of the stream with `http`). @default {200, or 5xx for failed} */
  readonly http?: number;
  /** Input, output, cached and reasoning tokens. Absent: whatever, but complete. */
  readonly usage?: readonly [number, number, number, number];
}

/** One behaviour of an upstream. */
export interface ScriptedCase {
  readonly reply: (body: Rec) => RawReply;
  readonly expect: Expectation;
  /** The gateway gives up only after its idle time: set a short one. */
  readonly slow?: true;
  /** Retried by the gateway before it gives up. */
  readonly retried?: true;
}

const USAGE = [11, 7, 3, 2] as const;
const HELLO: Expectation = { status: "completed", output: ["message:Hello"], usage: USAGE };
const ONE_CALL: Expectation = { status: "completed", output: ['function_call:f:{"a":1}'] };
const TWO_CALLS: Expectation = {
  status: "completed",
  output: ['function_call:f:{"a":1}', 'function_call:g:{"b":2}'],
};
const THOUGHT: Expectation = {
  status: "completed",
  output: ["reasoning:let me think", "message:answer"],
};
const HELLO_FRAMES = [role(), text("Hel"), text("lo"), finish("stop"), usage()].map(frame);

/** An answer that does not depend on the request. */
function fixed(
  expect: Expectation,
  reply: RawReply,
  more: Partial<ScriptedCase> = {},
): ScriptedCase {
  return { expect, reply: () => reply, ...more };
}

function toolCall(member: unknown, reason: string | null = null): Rec {
  return delta({ tool_calls: [member] }, reason);
}

/** All cases, by name. */
export const CASES: ReadonlyMap<string, ScriptedCase> = new Map<string, ScriptedCase>([
  // Text and its ends.
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

  // Calls.
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

  // Reasoning.
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

  // Usage.
  [
    "usage-never",
    fixed(
      { status: "completed", output: ["message:Hello"] },
      stream(
        text("Hello"),
        finish("stop"),
      ),
    ),
  ],
  [
    "usage-in-finish",
    fixed(
      HELLO,
      stream({ ...text("Hello"), usage: null }, {
        ...finish("stop"),
        usage: usageOf(11, 7, 3, 2),
      }),
    ),
  ],
  [
    "usage-every-chunk",
    fixed(
      HELLO,
      stream(
        { ...text("Hel"), usage: usageOf(11, 1, 3, 0) },
        { ...text("lo"), usage: usageOf(11, 4, 3, 1) },
        { ...finish("stop"), usage: usageOf(11, 7, 3, 2) },
      ),
    ),
  ],
  [
    "usage-groq",
    fixed(
      HELLO,
      stream(text("Hello"), { ...finish("stop"), x_groq: { usage: usageOf(11, 7, 3, 2) } }),
    ),
  ],
  [
    "usage-partial",
    fixed(
      { ...HELLO, usage: [11, 7, 0, 0] },
      stream(text("Hello"), finish("stop"), {
        ...usage(),
        usage: { prompt_tokens: 11, completion_tokens: 7 },
      }),
    ),
  ],
  [
    "usage-excludes-reasoning",
    fixed(
      { ...HELLO, usage: [307, 253, 0, 227] },
      stream(text("Hello"), finish("stop"), {
        ...usage(),
        usage: {
          prompt_tokens: 307,
          completion_tokens: 26,
          total_tokens: 560,
          completion_tokens_details: { reasoning_tokens: 227 },
        },
      }),
    ),
  ],

  // What certain providers do.
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

  // Framing.
  ["crlf", fixed(HELLO, sse([...HELLO_FRAMES, DONE].map((s) => s.replaceAll("\n", "\r\n"))))],
  ["cr", fixed(HELLO, sse([...HELLO_FRAMES, DONE].map((s) => s.replaceAll("\n", "\r"))))],
  ["bom", fixed(HELLO, sse(["\ufeff", ...HELLO_FRAMES, DONE]))],
  ["bytewise", fixed(HELLO, sse([...HELLO_FRAMES, DONE], { bytewise: true }))],
  ["one-write", fixed(HELLO, sse([[...HELLO_FRAMES, DONE].join("")]))],
  ["no-space", fixed(HELLO, sse([...HELLO_FRAMES, DONE].map((s) => s.replace("data: ", "data:"))))],
  ["no-last-newline", fixed(HELLO, sse([...HELLO_FRAMES, "data: [DONE]"]))],
  [
    "event-ids",
    fixed(
      HELLO,
      sse([...HELLO_FRAMES, DONE].map((s, n) => `id: ${n}\nevent: message\nretry: 5\n${s}`)),
    ),
  ],
  [
    "multi-line-data",
    fixed(
      HELLO,
      sse([
        `data: ${JSON.stringify(text("Hello")).replace(',"choices"', ',\ndata: "choices"')}\n\n`,
        ...HELLO_FRAMES.slice(3),
        DONE,
      ]),
    ),
  ],
  ["junk-line", fixed(HELLO, sse(["data: <junk>\n\n", ...HELLO_FRAMES, DONE]))],
  ["after-done", fixed(HELLO, sse([...HELLO_FRAMES, DONE, frame(text("WRONG"))]))],
  ["json-body", fixed(HELLO, json(200, completion({ content: "Hello" }, "stop")))],
  [
    "json-body-tool",
    fixed(
      ONE_CALL,
      json(
        200,
        completion({
          tool_calls: [{
            id: "call_a",
            type: "function",
            function: { name: "f", arguments: '{"a":1}' },
          }],
        }, "tool_calls"),
      ),
    ),
  ],
  ["close-delimited", fixed(HELLO, sse([...HELLO_FRAMES, DONE], { framing: "close" }))],

  // Errors in a stream that has begun.
  [
    "error-mid",
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      stream(role(), text("partial"), errorChunk("it broke")),
    ),
  ],
  [
    "error-string",
    fixed(
      { status: "failed", code: "server_error" },
      stream(text("partial"), { error: "it broke" }),
    ),
  ],
  [
    "error-event",
    fixed(
      { status: "failed", code: "server_error" },
      sse([frame(text("partial")), `event: error\n${frame({ message: "it broke", code: 500 })}`]),
    ),
  ],
  [
    "cut",
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      sse([frame(role()), frame(text("partial")), { fault: "cut" }]),
    ),
  ],
  [
    "cut-in-frame",
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      sse([frame(text("partial")), 'data: {"choices":[{"ind', { fault: "cut" }]),
    ),
  ],
  [
    "cut-in-call",
    fixed(
      { status: "failed", code: "server_error" },
      sse([frame(call(0, '{"a":', "call_a", "f")), { fault: "cut" }]),
    ),
  ],
  [
    "reset",
    fixed(
      { status: "failed", code: "server_error" },
      sse([frame(text("partial")), { fault: "reset" }]),
    ),
  ],
  [
    "short-length",
    fixed(
      { status: "failed", code: "server_error" },
      sse([frame(text("partial")), { fault: "cut" }], { framing: { length: 100_000 } }),
    ),
  ],

  // Refusals before the first byte.
  [
    "error-200",
    fixed(
      { status: "failed", code: "server_error" },
      json(200, { error: { message: "it broke", code: 500 } }),
      { retried: true },
    ),
  ],
  [
    "html-200",
    fixed(
      { status: "failed", code: "server_error" },
      { status: 200, headers: { "content-type": "text/html" }, steps: ["<html>Welcome</html>"] },
    ),
  ],
  [
    "http-400",
    fixed(
      { status: "http", http: 400, code: "bad_thing" },
      httpError(400, "that is no good", "bad_thing"),
    ),
  ],
  [
    "http-400-context",
    fixed(
      { status: "http", http: 400, code: "context_length_exceeded" },
      httpError(400, "This model's maximum context length is 8192 tokens"),
    ),
  ],
  [
    "http-401",
    fixed(
      { status: "http", http: 502, code: "upstream_auth" },
      httpError(401, "Incorrect API key provided: sk-hint"),
    ),
  ],
  [
    "http-402",
    fixed(
      { status: "http", http: 429, code: "insufficient_quota" },
      httpError(402, "Insufficient credit"),
    ),
  ],
  ["http-404", fixed({ status: "http", http: 400 }, httpError(404, "no such model"))],
  [
    "http-413",
    fixed(
      { status: "http", http: 400, code: "context_length_exceeded" },
      httpError(413, "too large"),
    ),
  ],
  [
    "http-429",
    fixed(
      { status: "http", http: 429, code: "rate_limit_exceeded" },
      httpError(429, "slow down", null, { "retry-after": "30" }),
      { retried: true },
    ),
  ],
  [
    "http-500",
    fixed(
      { status: "failed", code: "server_error", http: 502 },
      httpError(500, "oops"),
      { retried: true },
    ),
  ],
  [
    "http-503",
    fixed(
      { status: "failed", code: "server_error", http: 502 },
      httpError(503, "busy"),
      { retried: true },
    ),
  ],
  [
    "http-500-html",
    fixed(
      { status: "failed", code: "server_error", http: 502 },
      { status: 500, headers: { "content-type": "text/html" }, steps: ["<html>Oops</html>"] },
      { retried: true },
    ),
  ],
  [
    "cut-first",
    fixed(
      { status: "failed", code: "server_error" },
      sse([], { before: "cut" }),
      { retried: true },
    ),
  ],
  [
    "reset-first",
    fixed(
      { status: "failed", code: "server_error" },
      sse([], { before: "reset" }),
      { retried: true },
    ),
  ],

  // Silence.
  [
    "stall",
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      sse([frame(text("partial")), { fault: "stall" }]),
      { slow: true },
    ),
  ],
  [
    "never",
    fixed(
      { status: "failed", code: "server_error" },
      sse([], { before: "stall" }),
      { slow: true, retried: true },
    ),
  ],
]);

/** The answer of a case; undefined when there is none of that name. */
export function scriptedReply(name: string, body: Rec): RawReply | undefined {
  return CASES.get(name)?.reply(body);
}

/** One short line an output item: its type and what a client reads of it. */
export function describeOutput(output: unknown): string[] {
  if (!Array.isArray(output)) return ["no output"];
  return output.map((item) => {
    if (!isRecord(item)) return "not an item";
    switch (item.type) {
      case "message":
        return list(item.content).map((part) =>
          part.type === "refusal" ? `refusal:${part.refusal}` : `message:${part.text}`
        ).join("+");
      case "reasoning":
        return "reasoning:" +
          [...list(item.summary), ...list(item.content)].map((part) => part.text).join("");
      case "function_call":
        return `function_call:${item.name}:${item.arguments}`;
      case "custom_tool_call":
        return `custom_tool_call:${item.name}:${item.input}`;
      default:
        return `${item.type}:${JSON.stringify(item.arguments ?? item.action ?? item.operation)}`;
    }
  });
}

function list(value: unknown): Rec[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

/** Errors, cuts and silence. @module */
import {
  call,
  DONE,
  errorChunk,
  finish,
  frame,
  httpError,
  json,
  role,
  sse,
  stream,
  text,
} from "../chat_replies.ts";
import { fixed, type ScriptedCase } from "./scripted_case.ts";

/** Cases, by name. */
export const FAULT_CASES: [string, ScriptedCase][] = [
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
  ...([
    ["no-code", frame({ message: "it broke" })],
    ["detail", frame({ detail: "it broke" })],
    ["text", "data: it broke\n\n"],
    ["number", "data: 500\n\n"],
  ] as const).map(([name, data]): [string, ScriptedCase] => [
    `error-event-${name}`,
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      sse([
        frame(text("partial")),
        `event: error\n${data}`,
        frame(text("never")),
        frame(finish("stop")),
        DONE,
      ]),
    ),
  ]),
  [
    "cut",
    fixed(
      { status: "failed", code: "server_error", output: ["message:partial"] },
      sse([frame(role()), frame(text("partial")), { fault: "cut" }]),
    ),
  ],
  [
    "cut-after-finish",
    fixed(
      { status: "completed", output: ["message:whole"] },
      sse([frame(text("whole")), frame(finish("stop")), { fault: "cut" }]),
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
      { status: "failed", code: "server_error", unaryCode: "upstream_auth" },
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
      { status: "failed", code: "server_error", unaryCode: "upstream_error" },
      httpError(500, "oops"),
      { retried: true },
    ),
  ],
  [
    "http-503",
    fixed(
      { status: "failed", code: "server_error", unaryCode: "upstream_error" },
      httpError(503, "busy"),
      { retried: true },
    ),
  ],
  [
    "http-500-html",
    fixed(
      { status: "failed", code: "server_error", unaryCode: "upstream_error" },
      { status: 500, headers: { "content-type": "text/html" }, steps: ["<html>Oops</html>"] },
      { retried: true },
    ),
  ],
  [
    "cut-first",
    fixed(
      { status: "failed", code: "server_error", unaryCode: "upstream_unreachable" },
      sse([], { before: "cut" }),
      { retried: true },
    ),
  ],
  [
    "reset-first",
    fixed(
      { status: "failed", code: "server_error", unaryCode: "upstream_unreachable" },
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
      { status: "failed", code: "server_error", http: 504, unaryCode: "upstream_timeout" },
      sse([], { before: "stall" }),
      { slow: true, retried: true },
    ),
  ],
];

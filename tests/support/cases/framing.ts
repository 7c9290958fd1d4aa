/** The bytes of an event stream, and answers that are none. @module */
import { completion, DONE, frame, json, sse, text } from "../chat_replies.ts";
import { fixed, HELLO, HELLO_FRAMES, ONE_CALL, type ScriptedCase } from "./scripted_case.ts";

/** Cases, by name. */
export const FRAMING_CASES: [string, ScriptedCase][] = [
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
];

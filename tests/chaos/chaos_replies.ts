/** Answers of a model server on a bad day. @module */
import { gzipSync } from "node:zlib";
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
  text,
  usageOf,
} from "../support/chat_replies.ts";
import type { RawReply, Step } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import type { Random } from "./random.ts";

/** An answer, and what it said about tokens. */
export interface ChaosReply {
  readonly name: string;
  readonly reply: RawReply;
  /** Tokens that a whole answer reports, as a sane client would read them; `null`: none, or nonsense. */
  readonly reported: number | null;
}

interface Asked {
  readonly stream: boolean;
  readonly input: number;
  readonly output: number;
  readonly words: string;
}

type Make = (asked: Asked, random: Random) => Omit<ChaosReply, "name">;

const encoder = new TextEncoder();
const WORDS = [
  "plain ",
  "héllo ",
  "日本語 ",
  "🎉👩‍👩‍👧 ",
  "\u2028\u2029\u0085 ",
  'data: {"x"}\n\n',
  "\r\nevent: response.completed\r\n",
  "<think>hm</think>",
  "\\ud83d ",
  "__proto__ ",
];

function usageFrame(usage: unknown): string {
  return frame({ ...finish("stop"), choices: [], usage });
}

function frames(asked: Asked, end: readonly string[]): string[] {
  const half = Math.ceil(asked.words.length / 2);
  return [
    frame(role()),
    frame(text(asked.words.slice(0, half))),
    frame(text(asked.words.slice(half))),
    ...end,
  ];
}

function honestEnd(asked: Asked): string[] {
  return [frame(finish("stop")), usageFrame(usageOf(asked.input, asked.output)), DONE];
}

function whole(asked: Asked, usage: unknown): RawReply {
  return json(200, completion({ content: asked.words }, "stop", usage as Rec));
}

function honest(asked: Asked, over: Partial<RawReply> = {}): Omit<ChaosReply, "name"> {
  const reply = asked.stream
    ? sse(frames(asked, honestEnd(asked)), over)
    : { ...whole(asked, usageOf(asked.input, asked.output)), ...over };
  return { reply, reported: asked.input + asked.output };
}

/** The bytes of an honest stream in pieces that end anywhere, also inside a character. */
function pieces(bytes: Uint8Array, random: Random): Uint8Array[] {
  const cut: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + random.int(1, 40));
    cut.push(bytes.subarray(at, end));
    at = end;
  }
  return cut;
}

function withUsage(usage: (asked: Asked, random: Random) => unknown): Make {
  return (asked, random) => {
    const said = usage(asked, random);
    return {
      reply: asked.stream
        ? sse(frames(asked, [frame(finish("stop")), usageFrame(said), DONE]))
        : whole(asked, said),
      reported: null,
    };
  };
}

function broken(kind: "cut" | "reset" | "stall"): Make {
  return (asked, random) => {
    const bytes = asked.stream
      ? encoder.encode(frames(asked, honestEnd(asked)).join(""))
      : encoder.encode(JSON.stringify(completion({ content: asked.words }, "stop")));
    const steps: Step[] = [bytes.subarray(0, random.int(0, bytes.length - 20)), { fault: kind }];
    const type = asked.stream ? "text/event-stream" : "application/json";
    return { reply: { status: 200, headers: { "content-type": type }, steps }, reported: null };
  };
}

function refused(make: (random: Random) => RawReply): Make {
  return (_asked, random) => ({ reply: make(random), reported: null });
}

function lines(...steps: Step[]): Make {
  return (asked) => ({
    reply: asked.stream ? sse(steps) : { ...sse(steps), headers: { "content-type": "text/plain" } },
    reported: null,
  });
}

/** Every kind, by name. */
export const CHAOS: Readonly<Record<string, Make>> = {
  "honest": (asked) => honest(asked),
  "byte by byte": (asked) => honest(asked, { bytewise: true }),
  "in pieces": (asked, random) => {
    const { reply, reported } = honest(asked);
    const bytes = encoder.encode(reply.steps.join(""));
    return { reply: { ...reply, steps: pieces(bytes, random) }, reported };
  },
  "gzip": (asked) => {
    const { reply, reported } = honest(asked);
    const bytes = new Uint8Array(gzipSync(encoder.encode(reply.steps.join(""))));
    const headers = { ...reply.headers, "content-encoding": "gzip" };
    return { reply: { ...reply, headers, steps: [bytes] }, reported };
  },
  "broken gzip": (asked) => {
    const { reply } = honest(asked);
    const bytes = new Uint8Array(gzipSync(encoder.encode(reply.steps.join(""))));
    const headers = { ...reply.headers, "content-encoding": "gzip" };
    const cut = bytes.subarray(0, bytes.length >> 1);
    return { reply: { ...reply, headers, steps: [cut] }, reported: null };
  },
  "no [DONE]": (asked) => {
    const { reply, reported } = honest(asked);
    return { reply: { ...reply, steps: reply.steps.filter((step) => step !== DONE) }, reported };
  },
  "two [DONE]": (asked) => {
    const { reply, reported } = honest(asked);
    const more = asked.stream ? [DONE, frame(text("late"))] : [];
    return { reply: { ...reply, steps: [...reply.steps, ...more] }, reported };
  },
  "[DONE] first": lines(DONE, frame(text("late")), DONE),
  "no event at all": lines(),
  "no usage": (asked) => ({
    reply: asked.stream
      ? sse(frames(asked, [frame(finish("stop")), DONE]))
      : json(200, { ...completion({ content: asked.words }, "stop"), usage: undefined }),
    reported: null,
  }),
  "zero usage": withUsage(() => usageOf(0, 0)),
  "huge usage": withUsage((_asked, random) => usageOf(random.int(1e6, 9e8), random.int(1e6, 9e8))),
  "nonsense usage": withUsage((_asked, random) => ({
    prompt_tokens: random.pick([-5, 1.5, "12", null, 1e300, [], 9007199254740993]),
    completion_tokens: random.pick([-5, 0.1, "7", null, 1e300, {}]),
    total_tokens: random.pick([-1, "x", 1e308, null, 3]),
  })),
  "usage twice": (asked) => {
    const first = usageFrame(usageOf(asked.input, Math.floor(asked.output / 2)));
    return asked.stream
      ? {
        reply: sse(frames(asked, [first, ...honestEnd(asked)])),
        reported: asked.input + asked.output,
      }
      : honest(asked);
  },
  "more than its cap": (asked) => {
    const words = asked.words.repeat(60).slice(0, 60_000);
    const said = { ...asked, words, output: asked.output * 60 };
    return { ...honest(said), reported: null };
  },
  "cut": broken("cut"),
  "reset": broken("reset"),
  "stall": broken("stall"),
  "cut before": refused(() => sse([], { before: "cut" })),
  "reset before": refused(() => sse([], { before: "reset" })),
  "stall before": refused(() => sse([], { before: "stall" })),
  "error event": (asked) => ({
    reply: asked.stream
      ? sse([...frames(asked, []), frame(errorChunk("broke")), DONE])
      : json(200, { error: { message: "broke", code: 500 } }),
    reported: null,
  }),
  "named error event": lines(
    frame(role()),
    'event: error\ndata: {"message":"broke","code":"server_error"}\n\n',
  ),
  "429": refused((random) =>
    httpError(429, "slow down", null, { "retry-after": String(random.int(0, 3)) })
  ),
  "429 for long": refused(() => httpError(429, "slow down", null, { "retry-after": "99" })),
  "500": refused(() => httpError(500, "broke")),
  "502 page": refused(() => ({
    status: 502,
    headers: { "content-type": "text/html" },
    steps: ["<html><h1>Bad gateway</h1>"],
  })),
  "503": refused(() => httpError(503, "busy")),
  "400": refused(() => httpError(400, "no good")),
  "redirect": refused(() => ({
    status: 302,
    headers: { location: "http://127.0.0.1:1/" },
    steps: [],
  })),
  "200 page": refused(() => ({
    status: 200,
    headers: { "content-type": "text/html" },
    steps: ["<html>hello</html>"],
  })),
  "lying length": (asked) => {
    const { reply } = honest(asked);
    return { reply: { ...reply, framing: { length: 1_000_000 } }, reported: null };
  },
  "broken JSON": lines(frame(role()), 'data: {"choices":[{"delta":{"content":"x\n\n', DONE),
  "strange JSON": lines(
    "data: null\n\n",
    "data: []\n\n",
    'data: {"choices":null}\n\n',
    'data: {"choices":[{"index":0,"delta":{"content":7,"tool_calls":"x"}}]}\n\n',
    'data: {"__proto__":{"choices":[]},"choices":[{"delta":null}]}\n\n',
    DONE,
  ),
  "calls": (asked) => {
    const calls = [
      frame(call(0, "", "call_a", "get_weather")),
      frame(call(1, '{"a"', "call_a", "__proto__")),
      frame(call(0, '{"city":"Z\u2028rich"}')),
      frame(call(1, ":1}")),
      frame(call(7, "{}", "x\ny", "nobody\r\nknows")),
    ];
    return asked.stream
      ? {
        reply: sse([
          ...frames(asked, []),
          ...calls,
          frame(finish("tool_calls")),
          usageFrame(usageOf(asked.input, asked.output)),
          DONE,
        ]),
        reported: asked.input + asked.output,
      }
      : honest(asked);
  },
  "reasoning": (asked) =>
    asked.stream
      ? {
        reply: sse([
          frame(delta({ reasoning_content: asked.words })),
          ...frames(asked, honestEnd(asked)),
        ]),
        reported: asked.input + asked.output,
      }
      : honest(asked),
};

/** Failures behind which a model may have worked: each of them must be in the books. */
export const MAYBE_BILLED: ReadonlySet<string> = new Set([
  "500",
  "502 page",
  "redirect",
  "cut before",
  "reset before",
  "stall before",
]);

const NAMES = Object.keys(CHAOS);

/** One of them for this request; one in three is honest. */
export function chaosReply(body: Rec, random: Random): ChaosReply {
  const cap = Number(body.max_completion_tokens ?? body.max_tokens ?? 400);
  const output = Math.min(cap, random.int(1, 300));
  let words = "";
  while (words.length < output * 2) words += random.pick(WORDS);
  const asked: Asked = {
    stream: body.stream === true,
    input: tokensOf(body.messages),
    output,
    words,
  };
  const name = random.chance(0.3) ? "honest" : random.pick(NAMES);
  const make = CHAOS[name];
  if (make === undefined) throw new Error(`no reply is called ${name}`);
  return { name, ...make(asked, random) };
}

/** About what a tokenizer gives: a token for each 4 bytes. */
function tokensOf(messages: unknown): number {
  const list = Array.isArray(messages) ? messages : [];
  const texts = list.map((message) => isRecord(message) ? JSON.stringify(message.content) : "");
  return Math.max(1, Math.ceil(encoder.encode(texts.join("")).length / 4));
}

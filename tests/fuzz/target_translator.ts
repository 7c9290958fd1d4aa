/**
 * Whatever an upstream says, in whatever pieces, the client gets a valid stream or a valid answer: Responses and Chat clients on Chat and
 * Responses upstreams, through the whole gateway.
 *
 * @module
 */
import fc from "fast-check";
import type { Json } from "@synth/core";
import { parseSseText } from "../support/response_invariants.ts";
import { isRecord } from "../support/response_shape.ts";
import { judgeAnswer } from "../support/judge_answer.ts";
import { startFullGateway } from "../support/full_gateway.ts";
import { ImpatientClock } from "../support/test_gateway.ts";
import { cutBytes, fakeUpstream } from "./fake_upstream.ts";
import { loosely, nastyJson, nastyText } from "./nasty.ts";
import type { Target } from "./target.ts";

/** As `JSON.stringify` writes it; behind another backslash it is text. */
const HALF_CHARACTER = /(?<!\\)(?:\\\\)*\\ud[89a-f]/i;

interface Input {
  readonly client: "responses" | "chat";
  readonly upstream: "chat" | "responses";
  readonly stream: boolean;
  /** Chunks, events, or the whole answer (the first). */
  readonly said: readonly Json[];
  readonly done: boolean;
  readonly cuts: readonly number[];
}

const index = fc.constantFrom<Json[]>(0, 0, 0, 1, 2, 7, -1, 1.5, "0");
const reason = fc.constantFrom<Json[]>(
  null,
  "stop",
  "length",
  "tool_calls",
  "function_call",
  "content_filter",
  "odd",
);
const names = fc.constantFrom<Json[]>("f", "patch", "nobody", "__proto__", "ns__x", "");
const args = fc.oneof(
  fc.constantFrom<Json[]>("", "{}", '{"a":', "1}", '{"input":"x', "\\u00", '"}', "]"),
  nastyText,
);
const words = nastyText as fc.Arbitrary<Json>;
const count = fc.oneof(fc.nat(1000), fc.constantFrom<Json[]>(-1, 0.5, 1e300, "7", null));
const usage = loosely({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  input_tokens: count,
  output_tokens: count,
  completion_tokens_details: loosely({ reasoning_tokens: count }),
});
const call = loosely({
  index,
  id: fc.constantFrom<Json[]>("call_1", "call_1", "call_2", "", "bad id\n", null),
  type: fc.constantFrom<Json[]>("function", "custom", "odd"),
  function: loosely({ name: names, arguments: args }),
});
const delta = loosely({
  role: fc.constantFrom<Json[]>("assistant", "user"),
  content: words,
  refusal: words,
  reasoning: words,
  reasoning_content: words,
  tool_calls: fc.array(call, { maxLength: 3 }),
});
const error = fc.oneof(
  { weight: 20, arbitrary: fc.constant<Json>(null) },
  {
    weight: 1,
    arbitrary: loosely({ message: words, code: fc.constantFrom<Json[]>(429, "x", null) }),
  },
);

function choice(word: "delta" | "message"): fc.Arbitrary<Json> {
  return loosely({ index, [word]: delta, finish_reason: reason, logprobs: fc.constant(null) });
}

function chunk(word: "delta" | "message"): fc.Arbitrary<Json> {
  return loosely({
    id: words,
    object: fc.constant("chat.completion"),
    created: count,
    model: words,
    choices: fc.array(choice(word), { minLength: 1, maxLength: 2 }),
    usage: fc.oneof(fc.constant<Json>(null), usage),
    error,
  });
}

const part = loosely({
  type: fc.constantFrom<Json[]>("output_text", "refusal", "reasoning_text", "summary_text"),
  text: words,
  refusal: words,
  annotations: fc.constant([]),
});
const item = loosely({
  id: fc.constantFrom<Json[]>("msg_1", "fc_1", "rs_1", "", "bad id\n"),
  type: fc.constantFrom<Json[]>(
    "message",
    "function_call",
    "custom_tool_call",
    "reasoning",
    "web_search_call",
    "odd",
  ),
  status: fc.constantFrom<Json[]>("in_progress", "completed", "incomplete"),
  role: fc.constant("assistant"),
  content: fc.array(part, { maxLength: 2 }),
  summary: fc.array(part, { maxLength: 2 }),
  call_id: fc.constantFrom<Json[]>("call_1", "call_2", ""),
  name: names,
  arguments: args,
  input: args,
});
const response = loosely({
  id: fc.constantFrom<Json[]>("resp_1", "", "x\ny"),
  object: fc.constant("response"),
  created_at: count,
  status: fc.constantFrom<Json[]>("completed", "incomplete", "failed", "in_progress"),
  model: words,
  output: fc.array(item, { maxLength: 3 }),
  usage,
  error,
});
const event = loosely({
  type: fc.constantFrom<Json[]>(
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.output_item.done",
    "response.content_part.added",
    "response.content_part.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text.delta",
    "response.refusal.delta",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "odd",
  ),
  sequence_number: count,
  response,
  item,
  part,
  item_id: fc.constantFrom<Json[]>("msg_1", "fc_1", "rs_1"),
  output_index: index,
  content_index: index,
  summary_index: index,
  delta: args,
  text: words,
  arguments: args,
});
const anything = nastyJson(["choices", "delta", "content", "error", "usage", "type", "response"]);

function saying(upstream: Input["upstream"], stream: boolean): fc.Arbitrary<Json[]> {
  const one = upstream === "chat" ? chunk(stream ? "delta" : "message") : stream ? event : response;
  return fc.array(
    fc.oneof({ weight: 15, arbitrary: one }, { weight: 1, arbitrary: anything }),
    { maxLength: stream ? 10 : 1 },
  );
}

const inputs: fc.Arbitrary<Input> = fc.tuple(
  fc.constantFrom("responses" as const, "chat" as const),
  fc.constantFrom("chat" as const, "responses" as const),
  fc.boolean(),
).chain(([client, upstream, stream]) =>
  fc.record({
    client: fc.constant(client),
    upstream: fc.constant(upstream),
    stream: fc.constant(stream),
    said: saying(upstream, stream),
    done: fc.boolean(),
    cuts: fc.array(fc.nat(2000), { maxLength: 5 }),
  })
);

/** Opens it. */
export async function openTranslator(): Promise<Target<Input>> {
  const transport = fakeUpstream();
  const it = await startFullGateway({ transport, clock: new ImpatientClock() });
  const { key } = await it.key("org-a");
  return {
    name: "translator",
    inputs,
    close: async () => await it[Symbol.asyncDispose](),
    async check({ client, upstream, stream, said, done, cuts }) {
      const text = stream ? streamOf(upstream, said, done) : JSON.stringify(said[0] ?? null);
      transport.answer = {
        status: 200,
        contentType: stream ? "text/event-stream" : "application/json",
        pieces: cutBytes(new TextEncoder().encode(text), cuts),
      };
      it.lines.length = 0;
      const model = upstream === "chat" ? "up-m" : "rev-m";
      const path = client === "chat" ? "/v1/chat/completions" : "/v1/responses";
      const answer = await it.send(`POST ${path}`, bodyOf(client, model, stream), {
        authorization: `Bearer ${key}`,
      });
      const got = await answer.text();
      const passed = client === "responses" && upstream === "responses" && answer.status === 200;
      const problems = passed
        ? judgePassed(stream, got)
        : judgeAnswer(answer.status, client === "chat", stream, got).problems;
      const bugs = it.lines.filter((line) => /internal_error|TypeError|RangeError/.test(line));
      // Of a Chat upstream's words every one is ours to write: half a character breaks clients in Rust.
      const ours = client === "responses" && upstream === "chat";
      const halves = ours && HALF_CHARACTER.test(got) ? [`half a character in ${got}`] : [];
      const found = [...problems, ...halves, ...bugs.map((line) => line.slice(0, 1500))];
      if (found.length > 0) throw new Error(found.join("\n"));
    },
  };
}

/** What passes from one Responses side to the other keeps its shape: of ours are the frames, the ids and the one end. */
function judgePassed(stream: boolean, text: string): string[] {
  if (!stream) return isRecord(JSON.parse(text)) ? [] : ["the answer is no object"];
  const ends = parseSseText(text).filter((event) =>
    /^response\.(?:completed|incomplete|failed)$/.test(String(event.type))
  );
  return ends.length === 1 ? [] : [`${ends.length} terminal events: ${text}`];
}

function streamOf(upstream: Input["upstream"], said: readonly Json[], done: boolean): string {
  const frames = said.map((one) => {
    const type = typeof one === "object" && one !== null && !Array.isArray(one) ? one.type : null;
    const named = upstream === "responses" && typeof type === "string" && /^[a-z._]+$/.test(type);
    return `${named ? `event: ${type}\n` : ""}data: ${JSON.stringify(one)}\n\n`;
  });
  return frames.join("") + (done ? "data: [DONE]\n\n" : "");
}

function bodyOf(client: Input["client"], model: string, stream: boolean): Json {
  const fn = { name: "f", parameters: { type: "object" } };
  return client === "chat"
    ? {
      model,
      stream,
      messages: [{ role: "user", content: "hi" }],
      tools: [{ type: "function", function: fn }],
    }
    : {
      model,
      stream,
      input: "hi",
      store: false,
      tools: [{ type: "function", ...fn }, { type: "custom", name: "patch" }],
    };
}

/** Each profile with a stream that shows what its upstream does differently, through the whole gateway, streamed and whole. */
import { assert, assertEquals } from "@std/assert";
import { PROFILES } from "../gateway/upstreams/profiles/mod.ts";
import {
  call,
  delta,
  DONE,
  finish,
  frame,
  httpError,
  role,
  sse,
  stream,
  text,
  usage,
  usageOf,
} from "./support/chat_replies.ts";
import { compareError, compareResponse } from "./support/compare_case.ts";
import type { RawReply } from "./support/raw_http.ts";
import { checkEvents, checkResponse, finalResponse } from "./support/response_invariants.ts";
import type { Rec } from "./support/response_shape.ts";
import { type Expectation, TOOLS } from "./support/scripted_cases.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";

/** A chunk without `finish_reason`. */
function bare(delta: Rec): Rec {
  return { id: "x", choices: [{ index: 0, delta }] };
}

function only(member: Rec): Rec {
  return delta({ tool_calls: [member] });
}

const F: Rec = { name: "f", arguments: '{"a":1}' };
const CALLED = 'function_call:f:{"a":1}';
const THOUGHT = ["reasoning:let me think", "message:answer"];

const ROWS: [profile: string, quirk: string, reply: RawReply, expect: Expectation][] = [
  [
    "deepseek",
    "empty reasoning and null content first, usage: null until the last chunk, cache hits by its own name",
    stream(
      { ...delta({ role: "assistant", content: null, reasoning_content: "" }), usage: null },
      { ...delta({ content: null, reasoning_content: "let me " }), usage: null },
      { ...delta({ content: null, reasoning_content: "think" }), usage: null },
      { ...only({ index: 0, id: "call_00_a", type: "function", function: F }), usage: null },
      {
        ...finish("tool_calls"),
        usage: {
          prompt_tokens: 20,
          completion_tokens: 9,
          total_tokens: 29,
          prompt_cache_hit_tokens: 16,
          prompt_cache_miss_tokens: 4,
          completion_tokens_details: { reasoning_tokens: 5 },
        },
      },
    ),
    { status: "completed", output: ["reasoning:let me think", CALLED], usage: [20, 9, 16, 5] },
  ],
  [
    "deepseek",
    "it gives up by finish_reason insufficient_system_resource",
    stream(role(), text("par"), finish("insufficient_system_resource")),
    { status: "failed", code: "server_error", output: ["message:par"] },
  ],
  [
    "groq",
    "reasoning in `reasoning`, usage only in x_groq of the finish chunk",
    stream(
      { ...delta({ role: "assistant", content: "" }), x_groq: { id: "req_1" } },
      delta({ reasoning: "let me " }),
      delta({ reasoning: "think" }),
      text("answer"),
      { ...finish("stop"), x_groq: { id: "req_1", usage: usageOf(11, 7, 3, 2) } },
    ),
    { status: "completed", output: THOUGHT, usage: [11, 7, 3, 2] },
  ],
  [
    "mistral",
    "a call without index and type, with the finish reason and usage in one chunk",
    stream(role(), {
      choices: [{
        index: 0,
        delta: { content: "", tool_calls: [{ id: "D681PevKs", function: F }] },
        finish_reason: "tool_calls",
      }],
      usage: usageOf(11, 7),
    }),
    { status: "completed", output: [CALLED], usage: [11, 7, 0, 0] },
  ],
  [
    "mistral",
    "content as parts, thinking among them",
    stream(
      delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "let me " }] }] }),
      delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "think" }] }] }),
      delta({ content: [{ type: "text", text: "ans" }] }),
      text("wer"),
      { ...finish("stop"), usage: usageOf(11, 7) },
    ),
    { status: "completed", output: THOUGHT },
  ],
  [
    "qwen",
    'later deltas of a call have the id "", usage in a chunk without choices',
    stream(
      only({ function: { arguments: "", name: "f" }, index: 0, id: "call_q", type: "function" }),
      only({ function: { arguments: '{"a"', name: "" }, index: 0, id: "", type: "function" }),
      only({ function: { arguments: ":1}" }, index: 0, id: "", type: "function" }),
      finish("tool_calls"),
      usage(),
    ),
    { status: "completed", output: [CALLED], usage: [11, 7, 3, 2] },
  ],
  [
    "xai",
    "no finish_reason until the end, where it comes twice; a whole call; reasoning only in the total",
    stream(
      bare({ role: "assistant", reasoning_content: "let me " }),
      bare({ reasoning_content: "think" }),
      bare({ tool_calls: [{ index: 0, id: "call_x", type: "function", function: F }] }),
      finish("tool_calls"),
      {
        ...finish("tool_calls"),
        usage: {
          prompt_tokens: 307,
          completion_tokens: 26,
          total_tokens: 560,
          completion_tokens_details: { reasoning_tokens: 227 },
        },
      },
    ),
    { status: "completed", output: ["reasoning:let me think", CALLED], usage: [307, 253, 0, 227] },
  ],
  [
    "moonshot",
    "no `object`; the last text, the finish reason and the usage of the choice in one chunk",
    stream(
      bare({ role: "assistant", reasoning_content: "let me think" }),
      bare({ content: "ans" }),
      {
        id: "x",
        choices: [{
          index: 0,
          delta: { content: "wer" },
          finish_reason: "stop",
          usage: usageOf(11, 7),
        }],
      },
    ),
    { status: "completed", output: THOUGHT, usage: [11, 7, 0, 0] },
  ],
  [
    "openrouter",
    "comments, reasoning twice (as text and as details), a second finish reason of the provider",
    sse([
      ": OPENROUTER PROCESSING\n\n",
      frame(delta({
        content: "",
        reasoning: "let me ",
        reasoning_details: [{ type: "reasoning.text", text: "let me ", index: 0 }],
      })),
      ": OPENROUTER PROCESSING\n\n",
      frame(delta({
        content: "",
        reasoning: "think",
        reasoning_details: [{ type: "reasoning.text", text: "think", index: 0, signature: "S" }],
      })),
      frame(text("answer")),
      frame({ ...finish("stop"), native_finish_reason: "STOP" }),
      frame(usage()),
      DONE,
    ]),
    { status: "completed", output: THOUGHT, usage: [11, 7, 3, 2] },
  ],
  [
    "openrouter",
    "an error object inside a stream of 200, beside a choice that ended by `error`",
    stream(text("par"), {
      error: { code: 502, message: "Provider returned error", metadata: { provider_name: "x" } },
      choices: [{ index: 0, delta: { content: "" }, finish_reason: "error" }],
    }),
    { status: "failed", code: "server_error", output: ["message:par"] },
  ],
  [
    "zai",
    "finish_reason model_context_window_exceeded",
    stream(role(), text("trunc"), finish("model_context_window_exceeded"), usage()),
    { status: "incomplete", reason: "max_output_tokens", output: ["message:trunc"] },
  ],
  [
    "zai",
    "finish_reason sensitive",
    stream(role(), text("trunc"), finish("sensitive"), usage()),
    { status: "incomplete", reason: "content_filter", output: ["message:trunc"] },
  ],
  [
    "zai",
    "finish_reason network_error",
    stream(role(), text("par"), finish("network_error")),
    { status: "failed", code: "server_error", output: ["message:par"] },
  ],
  [
    "ollama",
    "arguments as objects, index 0 for every call, finish_reason stop, tags in the text",
    stream(
      text("<thi"),
      text("nk>\nlet me think</th"),
      text("ink>\n\n"),
      only({ index: 0, id: "call_1", function: { name: "f", arguments: { a: 1 } } }),
      only({ index: 0, id: "call_2", function: { name: "g", arguments: { b: 2 } } }),
      finish("stop"),
      usage(),
    ),
    {
      status: "completed",
      output: ["reasoning:\nlet me think", CALLED, 'function_call:g:{"b":2}'],
    },
  ],
  [
    "vllm",
    "empty text beside calls, arguments in tiny pieces, stop_reason, usage so far in every chunk",
    stream(
      { ...delta({ role: "assistant", content: "" }), usage: usageOf(11, 0) },
      { ...delta({ reasoning_content: "let me think" }), usage: usageOf(11, 3) },
      { ...call(0, "", "chatcmpl-tool-1", "f"), usage: usageOf(11, 4) },
      ...[...'{"a":1}'].map((one, n) => ({ ...call(0, one), usage: usageOf(11, 5 + n) })),
      {
        choices: [{
          index: 0,
          delta: { content: "" },
          finish_reason: "tool_calls",
          stop_reason: 7,
        }],
        usage: usageOf(11, 12),
      },
      { choices: [], usage: usageOf(11, 12) },
    ),
    { status: "completed", output: ["reasoning:let me think", CALLED], usage: [11, 12, 0, 0] },
  ],
  [
    "llamacpp",
    "timings beside the usage, two calls that take turns",
    stream(
      delta({ role: "assistant", content: null }),
      call(0, '{"a"', "id0", "f"),
      call(1, '{"b"', "id1", "g"),
      call(0, ":1}"),
      call(1, ":2}"),
      finish("tool_calls"),
      { ...usage(), timings: { predicted_n: 7, predicted_ms: 3.5 } },
    ),
    { status: "completed", output: [CALLED, 'function_call:g:{"b":2}'], usage: [11, 7, 3, 2] },
  ],
  [
    "llamacpp",
    "a context overflow in its own words",
    httpError(
      400,
      "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
    ),
    { status: "http", http: 400, code: "context_length_exceeded" },
  ],
  [
    "lmstudio",
    "an event named error without a code, the beginning of thoughts in the text",
    sse([
      frame(text("<think>let me think</think>ans")),
      `event: error\n${frame({ message: "The model has crashed" })}`,
    ]),
    { status: "failed", code: "server_error", output: ["reasoning:let me think", "message:ans"] },
  ],
  [
    "openai",
    "a freeform call as such, obfuscation, usage in a chunk without choices",
    stream(
      { ...delta({ role: "assistant", content: null, refusal: null }), obfuscation: "abc" },
      only({ index: 0, id: "call_o", type: "custom", custom: { name: "apply_patch", input: "" } }),
      only({ index: 0, custom: { input: '*** "Begin' } }),
      only({ index: 0, custom: { input: " Patch\n" } }),
      finish("tool_calls"),
      usage(),
    ),
    { status: "completed", output: ['custom_tool_call:apply_patch:*** "Begin Patch\n'] },
  ],
  [
    "openai",
    "a refusal in a field of its own",
    stream(
      delta({ role: "assistant", content: null, refusal: "" }),
      delta({ refusal: "I can" }),
      delta({ refusal: "not" }),
      finish("stop"),
      usage(),
    ),
    { status: "completed", output: ["refusal:I cannot"] },
  ],
];

/** What the scripted upstream says of requests that only this upstream takes. */
const PECULIAR: ReadonlyMap<string, RegExp> = new Map([
  ["mistral", /without stream_options.include_usage/],
  ["openai", /a tool that is no function: {"type":"custom"/],
]);

for (const [profile, quirk, reply, expect] of ROWS) {
  Deno.test(`profile ${profile}: ${quirk}`, async () => {
    await using upstream = await startUpstream();
    upstream.enqueue(reply, reply);
    await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: { profile } });
    const body = { model: "up-model", input: "Say hi", tools: TOOLS };
    const streamed = await it.post("/v1/responses", { ...body, stream: true });
    const whole = await it.post("/v1/responses", body);
    const peculiar = PECULIAR.get(profile);
    const said = upstream.problems.splice(0);
    assertEquals(said.filter((problem) => !peculiar?.test(problem)), []);
    assertEquals(said.length > 0, peculiar !== undefined);
    if (expect.status === "http") {
      assertEquals(compareError(expect, streamed.status, await streamed.json()), []);
      assertEquals(compareError(expect, whole.status, await whole.json()), []);
      return;
    }
    const events = await eventsOf(streamed);
    assertEquals(checkEvents(events), []);
    assertEquals(compareResponse(expect, finalResponse(events)), []);
    const answer = await whole.json();
    if (expect.status === "failed") {
      return assertEquals(compareError(expect, whole.status, answer), []);
    }
    assertEquals(checkResponse(answer), []);
    assertEquals(compareResponse(expect, answer), []);
  });
}

Deno.test("every profile of an upstream has a stream that shows its quirk", () => {
  const shown = new Set(ROWS.map(([profile]) => profile));
  const plain = new Set(["generic", "uncapped"]);
  const missing = [...PROFILES.keys()].filter((name) => !shown.has(name) && !plain.has(name));
  assertEquals(missing, []);
  assert([...shown].every((name) => PROFILES.has(name)));
});

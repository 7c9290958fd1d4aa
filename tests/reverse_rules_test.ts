/** Single rules of a Chat request on a Responses upstream that the larger cases in reverse_chat_test.ts do not name. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import type { RawReply } from "./support/raw_http.ts";
import {
  eventsOfResponse,
  functionCall,
  type Item,
  message,
  responsesSse,
  responsesStream,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { parseSseText } from "./support/sse_text.ts";
import { startGateway } from "./support/test_gateway.ts";

const PATH = "/v1/chat/completions";
const CHAT = { model: "renamed", messages: [{ role: "user", content: "Say hi" }], stream: true };
const OK = responsesStream(eventsOfResponse([message("ok")]));
const F = { type: "function", function: { name: "f", parameters: { type: "object" } } };
const P = { type: "custom", custom: { name: "p" } };

async function ask(body: Rec, reply: RawReply = OK) {
  await using upstream = await startResponsesUpstream(() => reply);
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: { api: "responses" },
  });
  const response = await it.post(PATH, { ...CHAT, ...body });
  const raw = await response.text();
  const { status, headers } = response;
  return { status, raw, ignored: headers.get("x-synth-ignored"), sent: upstream.requests[0]?.body };
}

function chunksOf(raw: string): Rec[] {
  return raw.split("\n\n").filter((one) => one.startsWith("data: {"))
    .map((one) => JSON.parse(one.slice(6)) as Rec);
}

/** What the client asks, and the members of the upstream's request that must come of it. */
const CARRIED: readonly [string, Rec, Rec][] = [
  ["max_completion_tokens before max_tokens", { max_completion_tokens: 99, max_tokens: 50 }, {
    max_output_tokens: 99,
  }],
  ["max_tokens", { max_tokens: 50 }, { max_output_tokens: 50 }],
  ["fewer tokens than the API takes", { max_completion_tokens: 1 }, { max_output_tokens: 16 }],
  ["store, which is never wanted", { store: true }, { store: false }],
  [
    "what means the same",
    {
      temperature: 0.25,
      top_p: 0.5,
      metadata: { a: "b" },
      user: "u",
      safety_identifier: "s",
      prompt_cache_key: "k",
      service_tier: "default",
    },
    {
      temperature: 0.25,
      top_p: 0.5,
      metadata: { a: "b" },
      user: "u",
      safety_identifier: "s",
      prompt_cache_key: "k",
      service_tier: "default",
    },
  ],
  ["json_object", { response_format: { type: "json_object" } }, {
    text: { format: { type: "json_object" } },
  }],
  ["text as the format", { response_format: { type: "text" } }, { text: undefined }],
  ["tool_choice none", { tools: [F], tool_choice: "none" }, { tool_choice: "none" }],
  ["tool_choice required", { tools: [F], tool_choice: "required" }, { tool_choice: "required" }],
  [
    "a named function",
    { tools: [F], tool_choice: { type: "function", function: { name: "f" } } },
    { tool_choice: { type: "function", name: "f" } },
  ],
  [
    "a named custom tool",
    { tools: [P], tool_choice: { type: "custom", custom: { name: "p" } } },
    { tool_choice: { type: "custom", name: "p" }, tools: [{ type: "custom", name: "p" }] },
  ],
  [
    "strict tools",
    { tools: [{ ...F, function: { ...F.function, strict: true } }] },
    { tools: [{ type: "function", name: "f", parameters: { type: "object" }, strict: true }] },
  ],
  [
    "legacy functions",
    { functions: [{ name: "f" }], function_call: "auto" },
    {
      tool_choice: "auto",
      parallel_tool_calls: false,
      tools: [{
        type: "function",
        name: "f",
        parameters: { type: "object", properties: {} },
        strict: false,
      }],
    },
  ],
  ["a choice without tools, which servers refuse", { tool_choice: "auto" }, {
    tool_choice: undefined,
    parallel_tool_calls: undefined,
  }],
];

for (const [name, body, expected] of CARRIED) {
  Deno.test(`reverse carries ${name}`, async () => {
    const { status, raw, sent } = await ask(body);
    assertEquals(status, 200, raw);
    for (const [field, value] of Object.entries(expected)) assertEquals(sent![field], value, field);
  });
}

const THOUGHTFUL = { role: "assistant", content: "x", reasoning_details: [{ type: "x" }] };

Deno.test("reverse refuses to go on as if a call or a schema had not been asked for", async () => {
  for (
    const [body, param] of [
      [{ tool_choice: "required" }, "tool_choice"],
      [{ tools: [], tool_choice: { type: "function", function: { name: "f" } } }, "tool_choice"],
      [{ function_call: { name: "f" } }, "function_call"],
      [{ response_format: { type: "json_schema" } }, "response_format.json_schema"],
    ] as const
  ) {
    const { status, raw, sent } = await ask(body);
    const { error } = JSON.parse(raw);
    assertEquals([status, error.code, error.param, sent], [400, "invalid_value", param, undefined]);
  }
});

Deno.test("reverse carries a refusal beside text in parts", async () => {
  const content = [{ type: "text", text: "t" }];
  const { sent } = await ask({ messages: [{ role: "assistant", content, refusal: "no" }] });
  assertEquals((sent!.input as Rec[])[0]!.content, [
    { type: "output_text", text: "t" },
    { type: "refusal", refusal: "no" },
  ]);
});

Deno.test("reverse names what it leaves out", async () => {
  for (
    const [body, ignored] of [
      [{ store: true }, "store"],
      [{ prediction: { type: "content", content: "x" } }, "prediction"],
      [{ frequency_penalty: 0.5, presence_penalty: 0 }, "frequency_penalty"],
      [{ seed: 1 }, "seed"],
      [{ top_logprobs: 2 }, "top_logprobs"],
      [{ messages: [{ role: "user", content: "x", name: "Ann" }] }, "messages.name"],
      [{ messages: [THOUGHTFUL] }, "reasoning_content"],
      [{ store: false, stop: null, logit_bias: {} }, null],
      [{ messages: [{ role: "assistant", content: "x", refusal: null, annotations: [{}] }] }, null],
    ] as const
  ) assertEquals((await ask(body)).ignored, ignored);
});

Deno.test("reverse carries images in the output of a tool", async () => {
  const url = "data:image/png;base64,AAAA";
  const { sent } = await ask({
    messages: [
      { role: "user", content: "Look" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
      },
      {
        role: "tool",
        tool_call_id: "c1",
        content: [{ type: "text", text: "here" }, { type: "image_url", image_url: { url } }],
      },
    ],
  });
  assertEquals((sent!.input as Rec[]).at(-1)!.output, [
    { type: "input_text", text: "here" },
    { type: "input_image", image_url: url, detail: "auto" },
  ]);
});

Deno.test("reverse refuses the id of a file, whose account is that of all orgs", async () => {
  const content = [{ type: "file", file: { file_id: "file-1" } }];
  const { status, raw, sent } = await ask({ messages: [{ role: "user", content }] });
  const { error } = JSON.parse(raw);
  assertEquals([status, error.code, error.param], [
    400,
    "unsupported_parameter",
    "messages[0].content[0]",
  ]);
  assertEquals(sent, undefined);
});

Deno.test("reverse tells the usage behind the finish, and only to a client that asked", async () => {
  const silent = chunksOf((await ask({})).raw);
  assertFalse(silent.some((chunk) => "usage" in chunk));
  const told = chunksOf((await ask({ stream_options: { include_usage: true } })).raw);
  const [finish, usage] = told.slice(-2);
  assertEquals((finish!.choices as Rec[])[0]!.finish_reason, "stop");
  assertEquals([usage!.choices, (usage!.usage as Rec).total_tokens], [[], 18]);
  assert(told.slice(0, -1).every((chunk) => chunk.usage === null));
});

/** Thoughts as an open model tells them: in the item's content. */
function rawThought(...deltas: string[]): Item {
  return (output_index) => {
    const item_id = `rs_${output_index}`;
    const text = deltas.join("");
    const at = { item_id, output_index, content_index: 0 };
    const item = {
      id: item_id,
      type: "reasoning",
      summary: [],
      content: [{ type: "reasoning_text", text }],
    };
    return {
      item,
      events: [
        { type: "response.output_item.added", output_index, item: { ...item, content: [] } },
        ...deltas.map((delta) => ({ type: "response.reasoning_text.delta", ...at, delta })),
        { type: "response.reasoning_text.done", ...at, text },
        { type: "response.output_item.done", output_index, item },
      ],
    };
  };
}

Deno.test("reverse tells raw thoughts as reasoning_content, once", async () => {
  const events = eventsOfResponse([rawThought("I ", "see"), functionCall("c1", "f", "{}")]);
  for (const some of [events, events.filter(({ type }) => !String(type).endsWith("delta"))]) {
    const { raw } = await ask({}, responsesStream(some));
    const deltas = chunksOf(raw).flatMap(({ choices }) => choices as Rec[])
      .map(({ delta }) => delta as Rec);
    assertEquals(deltas.map((delta) => delta.reasoning_content ?? "").join(""), "I see");
    assertEquals(deltas.flatMap((delta) => delta.tool_calls ?? []).length > 0, true);
  }
});

Deno.test("reverse reads over events that Chat Completions has no words for", async () => {
  const events = eventsOfResponse([message("ok")]);
  const odd = [
    { type: "response.web_search_call.searching", output_index: 9, item_id: "ws" },
    { type: "vendor.ping" },
    { type: "keepalive" },
  ];
  const { raw } = await ask(
    {},
    responsesStream([...events.slice(0, 3), ...odd, ...events.slice(3)]),
  );
  const said = chunksOf(raw).flatMap(({ choices }) => choices as Rec[])
    .map(({ delta }) => (delta as Rec).content ?? "").join("");
  assertEquals(said, "ok");
  assert(raw.endsWith("data: [DONE]\n\n"));
});

Deno.test("reverse and pass-through give up a stream of what is no event, for ever", async () => {
  const junk = responsesSse([...Array<string>(200).fill("data: junk\n\n"), { fault: "stall" }]);
  const chat = chunksOf((await ask({}, junk)).raw);
  assertEquals(chat.map(({ error }) => (error as Rec).code), ["server_error"]);
  await using upstream = await startResponsesUpstream(() => junk);
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: { api: "responses" },
  });
  const response = await it.post("/v1/responses", { model: "renamed", input: "x", stream: true });
  const events = parseSseText(await response.text());
  assertEquals(events.at(-1)!.type, "response.failed");
});

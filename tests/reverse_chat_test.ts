/** A Chat client on an upstream that speaks the Responses API. */
import { assert, assertEquals, assertFalse, assertStringIncludes } from "@std/assert";
import { httpError, json } from "./support/chat_replies.ts";
import type { RawReply, Step } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import {
  customCall,
  eventFrame,
  eventsOfResponse,
  functionCall,
  type Item,
  message,
  reasoning,
  refusal,
  responsesSse,
  responsesStream,
  responsesUsage,
  upstreamResponse,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { startGateway } from "./support/test_gateway.ts";

const UP = { api: "responses" };
const CHAT = { model: "renamed", messages: [{ role: "user", content: "Say hi" }] };
const PATH = "/v1/chat/completions";

// deno-lint-ignore no-explicit-any -- answers are read as tests need them
type Chunk = any;

function dataOf(raw: string): Chunk[] {
  return raw.split("\n\n").filter((one) => one.startsWith("data: {")).map((one) =>
    JSON.parse(one.slice(6))
  );
}

/** One request to a gateway in front of this answer. */
async function ask(
  reply: RawReply,
  body: Rec,
  admission: RecordingAdmission = new RecordingAdmission(),
): Promise<{ status: number; raw: string; headers: Headers; sent: Rec; book: string[] }> {
  await using upstream = await startResponsesUpstream(() => reply);
  await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: UP, admission });
  const response = await it.post(PATH, { ...CHAT, ...body });
  const raw = await response.text();
  const { status, headers } = response;
  return { status, raw, headers, sent: upstream.requests[0]?.body ?? {}, book: admission.book };
}

/** What a client that puts the chunks together has. */
function assembled(chunks: Chunk[]): Rec {
  const calls: Chunk[] = [];
  const texts: Record<string, string> = {};
  let finish: string | null = null;
  for (const chunk of chunks) {
    const choice = chunk.choices?.[0];
    if (choice === undefined) continue;
    finish = choice.finish_reason ?? finish;
    for (const name of ["content", "refusal", "reasoning_content"]) {
      const text = choice.delta[name];
      if (typeof text === "string" && text !== "") texts[name] = (texts[name] ?? "") + text;
    }
    for (const { index, ...call } of choice.delta.tool_calls ?? []) {
      if (call.id !== undefined) {
        assertEquals(calls[index], undefined);
        calls[index] = structuredClone(call);
      } else if (call.custom) calls[index].custom.input += call.custom.input;
      else calls[index].function.arguments += call.function.arguments;
    }
  }
  return { ...texts, ...(calls.length > 0 ? { calls } : {}), finish };
}

const fn = (id: string, name: string, args: string) => ({
  id,
  type: "function",
  function: { name, arguments: args },
});

const CASES: readonly [string, Item[], Rec, Rec][] = [
  ["text", [message("Hel", "lo")], {}, { content: "Hello", finish: "stop" }],
  ["a refusal", [refusal("I ", "won't")], {}, { refusal: "I won't", finish: "stop" }],
  [
    "reasoning and text",
    [reasoning("I ", "think"), message("so")],
    {},
    { reasoning_content: "I think", content: "so", finish: "stop" },
  ],
  [
    "parallel calls behind other items, counted per call",
    [
      reasoning("hm"),
      message("Now"),
      functionCall("c1", "f", '{"a"', ":1}"),
      functionCall("c2", "g", "{}"),
    ],
    {},
    {
      reasoning_content: "hm",
      content: "Now",
      calls: [fn("c1", "f", '{"a":1}'), fn("c2", "g", "{}")],
      finish: "tool_calls",
    },
  ],
  [
    "a custom call",
    [customCall("c1", "patch", "*** Be", "gin")],
    {},
    {
      calls: [{ id: "c1", type: "custom", custom: { name: "patch", input: "*** Begin" } }],
      finish: "tool_calls",
    },
  ],
  [
    "an answer that is too long",
    [message("Hel")],
    { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } },
    { content: "Hel", finish: "length" },
  ],
  [
    "a filtered answer",
    [message("Hel")],
    { status: "incomplete", incomplete_details: { reason: "content_filter" } },
    { content: "Hel", finish: "content_filter" },
  ],
  ["nothing", [], {}, { finish: "stop" }],
];

for (const [name, items, over, expected] of CASES) {
  const events = eventsOfResponse(items, over);
  Deno.test(`reverse streams ${name}, bytewise too`, async () => {
    for (const bytewise of [false, true]) {
      const reply = { ...responsesStream(events), bytewise };
      const { raw, book } = await ask(reply, {
        stream: true,
        stream_options: { include_usage: true },
      });
      const chunks = dataOf(raw);
      assertEquals(assembled(chunks), expected);
      assert(raw.endsWith("data: [DONE]\n\n"));
      assertEquals(chunks[0].choices[0].delta, { role: "assistant", content: "" });
      const heads = new Set(
        chunks.map(({ id, object, created, model }) => [id, object, created, model].join()),
      );
      assertEquals(heads.size, 1);
      assertStringIncludes([...heads][0]!, "chat.completion.chunk");
      assert([...heads][0]!.endsWith(",renamed"));
      const last = chunks.at(-1);
      assertEquals(last.choices, []);
      assertEquals(
        [last.usage.prompt_tokens, last.usage.completion_tokens, last.usage.total_tokens],
        [11, 7, 18],
      );
      assertEquals(last.usage.prompt_tokens_details.cached_tokens, 3);
      assertEquals(last.usage.completion_tokens_details.reasoning_tokens, 2);
      assert(book[1]!.startsWith("settle lease1 11+7 "), book.join());
    }
  });

  Deno.test(`reverse gives ${name} as a whole`, async () => {
    const body = (events.at(-1) as Chunk).response;
    const { status, raw, book } = await ask(json(200, body), {});
    assertEquals(status, 200, raw);
    const whole = JSON.parse(raw);
    const { message: said, finish_reason } = whole.choices[0];
    const { tool_calls, ...texts } = said;
    const given = Object.fromEntries(
      ["reasoning_content", "content", "refusal"].filter((key) => typeof texts[key] === "string")
        .map((key) => [key, texts[key]]),
    );
    assertEquals(
      { ...given, ...(tool_calls ? { calls: tool_calls } : {}), finish: finish_reason },
      expected,
    );
    assertEquals([whole.object, whole.model, said.role], [
      "chat.completion",
      "renamed",
      "assistant",
    ]);
    assertEquals(whole.usage.total_tokens, 18);
    assert(book[1]!.startsWith("settle lease1 11+7 "), book.join());
  });

  Deno.test(`reverse streams ${name} when only the done items, or only the end, tell of it`, async () => {
    const done = events.filter(({ type }) =>
      !/delta$|added$|text\.done$|arguments\.done$|input\.done$/.test(String(type))
    );
    const end = events.filter(({ type }) => /created$|completed$|incomplete$/.test(String(type)));
    for (const few of [done, end]) {
      const { raw } = await ask(responsesStream(few), { stream: true });
      assertEquals(assembled(dataOf(raw)), expected);
    }
  });

  Deno.test(`reverse fails a stream of ${name} that ends anywhere before its end, settled once`, async () => {
    for (let n = 0; n < events.length; n++) {
      for (const fault of [[], [{ fault: "cut" }]] as Step[][]) {
        const reply = responsesSse([...events.slice(0, n).map(eventFrame), ...fault]);
        const { raw, book } = await ask(reply, { stream: true });
        const chunks = dataOf(raw);
        assertEquals(chunks.filter((chunk) => chunk.error !== undefined).length, 1, raw);
        assertEquals(chunks.at(-1).error.code, "server_error");
        assertFalse(raw.includes("[DONE]"));
        assertEquals(assembled(chunks.slice(0, -1)).finish, null);
        assertEquals(book.length, 2);
        assert(book[1]!.startsWith("settle lease1 estimated"), book.join());
      }
    }
  });
}

Deno.test("reverse sends arguments that came in one piece, once", async () => {
  const events = eventsOfResponse([functionCall("c1", "f", '{"a":1}')])
    .filter(({ type }) => type !== "response.function_call_arguments.delta");
  const { raw } = await ask(responsesStream(events), { stream: true });
  assertEquals(assembled(dataOf(raw)).calls, [fn("c1", "f", '{"a":1}')]);
});

Deno.test("reverse finds calls by their place when ids change from event to event", async () => {
  const events = eventsOfResponse([
    functionCall("c1", "f", "{", "}"),
    functionCall("c2", "g", "[", "]"),
  ])
    .map((event, i) => ({
      ...event,
      ...(event.item_id === undefined ? {} : { item_id: `x${i}` }),
      ...(event.item === undefined ? {} : { item: { ...event.item as Rec, id: `y${i}` } }),
    }));
  const { raw } = await ask(responsesStream(events), { stream: true });
  assertEquals(assembled(dataOf(raw)).calls, [fn("c1", "f", "{}"), fn("c2", "g", "[]")]);
});

Deno.test("reverse tells calls as function_call to a client that declares functions", async () => {
  const events = eventsOfResponse([functionCall("c1", "f", "{", "}")]);
  const functions = [{ name: "f", parameters: { type: "object" } }];
  const { raw, sent } = await ask(responsesStream(events), {
    stream: true,
    functions,
    function_call: { name: "f" },
  });
  const deltas = dataOf(raw).map((chunk) => chunk.choices[0].delta.function_call).filter(Boolean);
  assertEquals(deltas, [{ name: "f", arguments: "" }, { arguments: "{" }, { arguments: "}" }]);
  assertEquals(dataOf(raw).at(-1).choices[0].finish_reason, "function_call");
  assertEquals(sent.tool_choice, { type: "function", name: "f" });
  const whole = await ask(json(200, (events.at(-1) as Chunk).response), { functions });
  assertEquals(JSON.parse(whole.raw).choices[0].message.function_call, {
    name: "f",
    arguments: "{}",
  });
});

Deno.test("reverse carries log probabilities and citations", async () => {
  const logprobs = [{
    token: "Hi",
    logprob: -0.5,
    bytes: [72, 105],
    top_logprobs: [{ token: "Ho", logprob: -1 }],
  }];
  const annotations = [{
    type: "url_citation",
    url: "https://a.test",
    title: "A",
    start_index: 0,
    end_index: 2,
  }];
  const content = [{ type: "output_text", text: "Hi", annotations, logprobs }];
  const item = { id: "m", type: "message", role: "assistant", status: "completed", content };
  const body = upstreamResponse({ status: "completed", output: [item], usage: responsesUsage() });
  const { raw, sent } = await ask(json(200, body), { logprobs: true, top_logprobs: 1 });
  const [choice] = JSON.parse(raw).choices;
  assertEquals(choice.logprobs.content[0].top_logprobs, [{
    token: "Ho",
    logprob: -1,
    bytes: null,
  }]);
  assertEquals(choice.message.annotations[0].url_citation.url, "https://a.test");
  assertEquals([sent.include, sent.top_logprobs], [["message.output_text.logprobs"], 1]);
});

const ERRORS: readonly [string, Rec, string][] = [
  ["response.failed", {
    type: "response.failed",
    response: upstreamResponse({
      status: "failed",
      error: { code: "rate_limit_exceeded", message: "slow" },
    }),
  }, "rate_limit_exceeded"],
  [
    "a flat error",
    { type: "error", code: "server_error", message: "broke", param: null },
    "server_error",
  ],
  ["a nested error", {
    type: "error",
    error: { type: "invalid_request_error", code: "context_length_exceeded", message: "long" },
  }, "context_length_exceeded"],
];

for (const [name, event, code] of ERRORS) {
  Deno.test(`reverse ends a stream with ${name} in an error, without [DONE]`, async () => {
    const events = [...eventsOfResponse([message("Hel")]).slice(0, 5), event];
    const { raw } = await ask(responsesStream(events), { stream: true });
    const last = dataOf(raw).at(-1);
    assertEquals([last.error.code, last.error.param], [code, null]);
    assertFalse(raw.includes("[DONE]"));
  });
}

const FAILURES: readonly [string, RawReply, number, string, string][] = [
  ["400", httpError(400, "no", "bad_thing"), 400, "bad_thing", "release lease1"],
  ["401", httpError(401, "no"), 502, "upstream_auth", "release lease1"],
  [
    "429",
    httpError(429, "no", null, { "retry-after": "30" }),
    429,
    "rate_limit_exceeded",
    "release lease1",
  ],
  [
    "failed response",
    json(
      200,
      upstreamResponse({ status: "failed", error: { code: "server_error", message: "x" } }),
    ),
    502,
    "upstream_error",
    "charge lease1",
  ],
];

for (const [name, reply, status, code, booked] of FAILURES) {
  for (const stream of [true, false]) {
    Deno.test(`reverse answers an upstream's ${name} with ${status}, ${stream ? "streamed" : "whole"}`, async () => {
      const got = await ask(reply, { stream });
      assertEquals([got.status, JSON.parse(got.raw).error.code], [status, code]);
      assertEquals(got.book, ["admit lease1", booked]);
    });
  }
}

Deno.test("reverse translates every part of a request", async () => {
  const image = "data:image/png;base64,AAAA";
  const { sent, headers, status, raw } = await ask(
    responsesStream(eventsOfResponse([message("ok")])),
    {
      stream: true,
      messages: [
        { role: "system", content: "Be brief." },
        { role: "developer", content: [{ type: "text", text: "Be kind." }] },
        {
          role: "user",
          content: [{ type: "text", text: "Look" }, {
            type: "image_url",
            image_url: { url: image, detail: "low" },
          }, {
            type: "file",
            file: { filename: "a.pdf", file_data: "data:application/pdf;base64,AA" },
          }],
        },
        {
          role: "assistant",
          content: "I see",
          reasoning_content: "thought",
          tool_calls: [fn("c1", "f", "{}"), {
            id: "c2",
            type: "custom",
            custom: { name: "p", input: "raw" },
          }],
        },
        { role: "tool", tool_call_id: "c1", content: "one" },
        {
          role: "tool",
          tool_call_id: "c2",
          content: [{ type: "text", text: "t" }, { type: "text", text: "wo" }],
        },
        { role: "assistant", content: null, refusal: "No." },
        { role: "system", content: "Late." },
        { role: "user", content: "Go" },
      ],
      max_tokens: 5,
      temperature: 0.5,
      seed: 7,
      presence_penalty: 0,
      reasoning_effort: "low",
      verbosity: "low",
      user: "u",
      metadata: { a: "b" },
      parallel_tool_calls: false,
      response_format: {
        type: "json_schema",
        json_schema: { name: "n", schema: { type: "object" }, strict: true },
      },
      tools: [
        {
          type: "function",
          function: { name: "f", description: "d", parameters: { type: "object" } },
        },
        {
          type: "custom",
          custom: {
            name: "p",
            format: { type: "grammar", grammar: { syntax: "lark", definition: "x" } },
          },
        },
      ],
      tool_choice: {
        type: "allowed_tools",
        allowed_tools: { mode: "required", tools: [{ type: "function", function: { name: "f" } }] },
      },
    },
  );
  assertEquals(status, 200, raw);
  assertEquals(headers.get("x-synth-ignored"), "seed, reasoning_content");
  assertEquals(sent, {
    model: "mock-text",
    stream: true,
    store: false,
    instructions: "Be brief.\n\nBe kind.",
    input: [
      {
        type: "message",
        role: "user",
        content: [{ type: "input_text", text: "Look" }, {
          type: "input_image",
          image_url: image,
          detail: "low",
        }, { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,AA" }],
      },
      { type: "message", role: "assistant", content: [{ type: "output_text", text: "I see" }] },
      { type: "function_call", call_id: "c1", name: "f", arguments: "{}" },
      { type: "custom_tool_call", call_id: "c2", name: "p", input: "raw" },
      { type: "function_call_output", call_id: "c1", output: "one" },
      { type: "custom_tool_call_output", call_id: "c2", output: "two" },
      { type: "message", role: "assistant", content: [{ type: "refusal", refusal: "No." }] },
      { type: "message", role: "developer", content: [{ type: "input_text", text: "Late." }] },
      { type: "message", role: "user", content: [{ type: "input_text", text: "Go" }] },
    ],
    max_output_tokens: 16,
    temperature: 0.5,
    reasoning: { effort: "low" },
    text: {
      format: { type: "json_schema", name: "n", schema: { type: "object" }, strict: true },
      verbosity: "low",
    },
    user: "u",
    metadata: { a: "b" },
    parallel_tool_calls: false,
    tools: [
      {
        type: "function",
        name: "f",
        description: "d",
        parameters: { type: "object" },
        strict: false,
      },
      { type: "custom", name: "p", format: { type: "grammar", definition: "x", syntax: "lark" } },
    ],
    tool_choice: {
      type: "allowed_tools",
      mode: "required",
      tools: [{ type: "function", name: "f" }],
    },
  });
});

Deno.test("reverse carries a legacy history", async () => {
  const { sent, status } = await ask(responsesStream(eventsOfResponse([message("ok")])), {
    stream: true,
    messages: [
      { role: "user", content: "Go" },
      { role: "assistant", content: null, function_call: { name: "f", arguments: "{}" } },
      { role: "function", name: "f", content: "done" },
    ],
  });
  assertEquals(status, 200);
  const [, called, output] = sent.input as Rec[];
  assertEquals([called!.type, output!.type, output!.call_id], [
    "function_call",
    "function_call_output",
    called!.call_id,
  ]);
});

Deno.test("reverse refuses what has no equivalent, by name, without a call", async () => {
  for (
    const [body, param] of [
      [{ n: 2 }, "n"],
      [{ stop: ["x"] }, "stop"],
      [{ logit_bias: { 5: 1 } }, "logit_bias"],
      [{ modalities: ["text", "audio"] }, "modalities"],
      [{ audio: { voice: "a" } }, "audio"],
      [{ tools: [{ type: "web_search" }] }, "tools[0]"],
      [
        { messages: [{ role: "user", content: [{ type: "input_audio", input_audio: {} }] }] },
        "messages[0].content[0]",
      ],
      [{ messages: [{ role: "tool", content: "x" }] }, "messages[0]"],
      [{ messages: [{ role: "robot", content: "x" }] }, "messages[0].role"],
    ] as const
  ) {
    const { status, raw, sent, book } = await ask(responsesStream([]), body);
    assertEquals([status, JSON.parse(raw).error.param, book], [400, param, []]);
    assertEquals(sent, {});
  }
});

Deno.test("reverse caps the output at the grant, and cuts a stream that goes beyond", async () => {
  const events = eventsOfResponse([message("x".repeat(2000))]).slice(0, 5);
  const { raw, sent } = await ask(
    responsesSse([...events.map(eventFrame), { fault: "stall" }]),
    { stream: true, max_tokens: 500 },
    new RecordingAdmission(20),
  );
  assertEquals(sent.max_output_tokens, 20);
  assertEquals(assembled(dataOf(raw)).finish, "length");
  assert(raw.endsWith("data: [DONE]\n\n"));
});

Deno.test("reverse stops the upstream when its client goes", async () => {
  const steps: Step[] = [...eventsOfResponse([message("Hel")]).slice(0, 5).map(eventFrame), {
    fault: "stall",
  }];
  await using upstream = await startResponsesUpstream(() => responsesSse(steps));
  const admission = new RecordingAdmission();
  await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: UP, admission });
  const response = await it.post(PATH, { ...CHAT, stream: true });
  const reader = response.body!.getReader();
  await reader.read();
  await reader.cancel();
  await upstream.requests[0]!.closed;
  await it.gateway.drain(1000);
  assertEquals(admission.book.length, 2);
  assert(admission.book[1]!.startsWith("settle lease1"));
});

Deno.test("reverse sends the upstream its own headers and nothing of the client's", async () => {
  await using upstream = await startResponsesUpstream(() =>
    responsesStream(eventsOfResponse([message("ok")]))
  );
  await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: UP });
  const response = await it.post(PATH, { ...CHAT, stream: true }, {
    headers: { cookie: "a=b", "x-codex-turn": "1" },
  });
  await response.body?.cancel();
  const names = [...upstream.requests[0]!.headers.keys()];
  assertFalse(
    names.some((name) =>
      name === "cookie" || name.startsWith("x-codex") || name === "authorization"
    ),
  );
});

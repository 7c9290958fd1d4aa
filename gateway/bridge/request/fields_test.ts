import { assertEquals, assertStringIncludes } from "@std/assert";
import { createSealer, generateSealKey, parseSealKeys } from "../seal.ts";
import { planOf, refusalOf, user } from "../testing/plan.ts";
import { withMaxOutput } from "./plan_turn.ts";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { DEEPSEEK } from "../../upstreams/profiles/deepseek.ts";
import { LMSTUDIO } from "../../upstreams/profiles/lmstudio.ts";
import { OPENAI } from "../../upstreams/profiles/openai.ts";
import { OPENROUTER } from "../../upstreams/profiles/openrouter.ts";
import type { UpstreamProfile } from "../profile.ts";

/** What a body adds to the least Chat request, and what is named as ignored. */
function carried(
  body: { readonly [key: string]: unknown },
  profile: UpstreamProfile = GENERIC,
): unknown {
  const { chat, ignored } = planOf(body, { profile });
  const { model: _model, messages: _messages, stream: _stream, ...rest } = chat;
  delete rest.stream_options;
  return ignored.length === 0 ? rest : { ...rest, ignored };
}

const schema = { type: "object", properties: {} };
const tools = [{ type: "function", name: "f" }];

Deno.test("planTurn sends the upstream's model, streams, and asks for usage", () => {
  const { chat } = planOf({ input: "hi", stream: false });
  assertEquals(chat, {
    model: "up",
    messages: [user("hi")],
    stream: true,
    stream_options: { include_usage: true },
  });
  const silent = planOf({}, { profile: { ...GENERIC, streamOptions: false } });
  assertEquals(silent.chat.stream_options, undefined);
});

Deno.test("planTurn carries every field of the table, or names it", () => {
  const cases: [{ [key: string]: unknown }, unknown, UpstreamProfile?][] = [
    [{}, {}],
    [{ max_output_tokens: 50 }, { max_tokens: 50 }],
    [{ max_output_tokens: 50 }, { max_completion_tokens: 50 }, OPENAI],
    [{ temperature: 0, top_p: 0.5 }, { temperature: 0, top_p: 0.5 }],
    [{ presence_penalty: 1, frequency_penalty: -1 }, {
      presence_penalty: 1,
      frequency_penalty: -1,
    }],
    [{ top_logprobs: 2 }, { logprobs: true, top_logprobs: 2 }],
    [{ include: ["message.output_text.logprobs"] }, { logprobs: true }],
    [{ include: ["file_search_call.results"] }, { ignored: ["include"] }],
    [{ parallel_tool_calls: false }, {}],
    [{ text: { format: { type: "text" } } }, {}],
    [{ text: { format: { type: "json_object" } } }, { response_format: { type: "json_object" } }],
    [
      { text: { format: { type: "json_schema", name: "n", schema, strict: true } } },
      {
        response_format: { type: "json_schema", json_schema: { name: "n", schema, strict: true } },
      },
    ],
    [{ text: { verbosity: "low" } }, { ignored: ["text.verbosity"] }],
    [{ text: { verbosity: "low" } }, { verbosity: "low" }, OPENAI],
    [{ reasoning: { effort: "xhigh" } }, { reasoning_effort: "high" }],
    [{ reasoning: { effort: "xhigh" } }, { reasoning_effort: "xhigh" }, OPENAI],
    [{ reasoning: { effort: "minimal" } }, { reasoning_effort: "low" }],
    [{ reasoning: { effort: "none" } }, { ignored: ["reasoning.effort"] }],
    [{ reasoning: { effort: "none" } }, { reasoning_effort: "none" }, OPENAI],
    [{ reasoning: { effort: "none" } }, { thinking: { type: "disabled" } }, DEEPSEEK],
    [{ reasoning: { effort: "low" } }, { reasoning: { effort: "low" } }, OPENROUTER],
    [{ reasoning: { summary: "auto" } }, {}],
    [{ truncation: "disabled" }, {}],
    [{ truncation: "auto" }, {}],
    [{ stream_options: { include_obfuscation: true }, store: true }, {}],
    [{ metadata: { a: "b" }, background: false }, {}],
    [{ max_tool_calls: 3 }, { ignored: ["max_tool_calls"] }],
    [{ client_metadata: { a: 1 }, context_management: [] }, {
      ignored: ["client_metadata", "context_management"],
    }],
    [
      { service_tier: "flex", user: "u", safety_identifier: "s", prompt_cache_key: "k" },
      { ignored: ["service_tier", "user", "safety_identifier", "prompt_cache_key"] },
    ],
    [
      { service_tier: "flex", user: "u", safety_identifier: "s", prompt_cache_key: "k" },
      { service_tier: "flex", user: "u", safety_identifier: "s", prompt_cache_key: "k" },
      OPENAI,
    ],
    [{ prompt_cache_retention: "24h", prompt_cache_options: { a: 1 } }, {
      prompt_cache_retention: "24h",
      prompt_cache_options: { a: 1 },
    }, OPENAI],
  ];
  for (const [body, expected, profile] of cases) {
    assertEquals(carried(body, profile), expected, JSON.stringify(body));
  }
});

Deno.test("planTurn refuses what has no meaning here", () => {
  for (const field of ["conversation", "prompt", "moderation"]) {
    assertEquals(refusalOf({ [field]: { id: "x" } }), `400 unsupported_parameter ${field}`);
    assertEquals(refusalOf({ [field]: null }), "no error");
  }
  assertEquals(refusalOf({ background: true }), "400 unsupported_parameter background");
  const noName = { format: { type: "json_schema", schema } };
  assertEquals(refusalOf({ text: noName }), "400 missing_required_parameter text.format.name");
  const noSchema = { format: { type: "json_schema", name: "x" } };
  assertEquals(refusalOf({ text: noSchema }), "400 missing_required_parameter text.format.schema");
});

Deno.test("planTurn never goes on without the history that was asked for", () => {
  const body = { previous_response_id: "resp_1" };
  assertEquals(refusalOf(body), "400 previous_response_not_found previous_response_id");
  const plan = planOf(body, { history: [{ role: "user", content: "before" }] });
  assertEquals(plan.chat.messages, [user("before"), user("hi")]);
  assertEquals(plan.echo.previous_response_id, "resp_1");
});

Deno.test("planTurn asks in words for a format that the upstream does not know", () => {
  const text = { format: { type: "json_schema", name: "n", schema } };
  const deepseek = planOf({ text, instructions: "be good" }, { profile: DEEPSEEK }).chat;
  assertEquals(deepseek.response_format, { type: "json_object" });
  assertStringIncludes(String(deepseek.messages[0]!.content), `be good\n\nAnswer with one JSON`);
  assertStringIncludes(String(deepseek.messages[0]!.content), JSON.stringify(schema));
  const studio = planOf({ text: { format: { type: "json_object" } } }, { profile: LMSTUDIO }).chat;
  assertEquals(studio.response_format, undefined);
  assertStringIncludes(String(studio.messages[0]!.content), "one JSON object");
});

Deno.test("planTurn leaves parallel_tool_calls out without tools and where it is not known", () => {
  assertEquals(planOf({ tools, parallel_tool_calls: false }).chat.parallel_tool_calls, false);
  const plan = planOf({ tools, parallel_tool_calls: false }, { profile: DEEPSEEK });
  assertEquals(plan.chat.parallel_tool_calls, undefined);
  assertEquals(plan.ignored, ["parallel_tool_calls"]);
  assertEquals(plan.parallelToolCalls, false, "and the stream side still keeps to it");
});

Deno.test("withMaxOutput caps and never raises", () => {
  assertEquals(planOf({ max_output_tokens: 90 }, { maxOutputTokens: 60 }).chat.max_tokens, 60);
  const plan = planOf({}, { maxOutputTokens: 60 });
  assertEquals(plan.chat.max_tokens, undefined);
  assertEquals(withMaxOutput(plan, GENERIC, 40).chat.max_tokens, 40);
  assertEquals(withMaxOutput(plan, OPENAI, 40).chat.max_completion_tokens, 40);
  assertEquals(plan.chat.max_tokens, undefined, "a new plan");
  const asked = planOf({ max_output_tokens: 20 });
  assertEquals(withMaxOutput(asked, GENERIC, 40).chat.max_tokens, 20);
  assertEquals(asked.echo.max_output_tokens, 20);
});

Deno.test("planTurn decides how reasoning is shown", () => {
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const shown = (body: { [key: string]: unknown }) => planOf(body, { sealer }).reasoning;
  assertEquals(shown({}), { as: "content", seal: false });
  assertEquals(shown({ reasoning: { summary: "auto" } }).as, "summary");
  assertEquals(shown({ reasoning: { generate_summary: "concise" } }).as, "summary");
  assertEquals(shown({ reasoning: { summary: "none" } }).as, "content");
  assertEquals(shown({ store: false }).seal, true);
  assertEquals(shown({ include: ["reasoning.encrypted_content"] }).seal, true);
  assertEquals(planOf({ store: false }).reasoning.seal, false, "without keys nothing is sealed");
});

Deno.test("planTurn echoes the request with OpenAI's defaults", () => {
  assertEquals(planOf({}).echo, {
    model: "m",
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    metadata: {},
    parallel_tool_calls: true,
    previous_response_id: null,
    prompt_cache_key: null,
    reasoning: { effort: null, summary: null },
    safety_identifier: null,
    service_tier: "default",
    store: true,
    temperature: 1,
    text: { format: { type: "text" } },
    tool_choice: "auto",
    tools: [],
    top_logprobs: 0,
    top_p: 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    truncation: "disabled",
    user: null,
  });
  const { echo } = planOf({
    tools: [...tools, { type: "web_search" }],
    tool_choice: { type: "function", name: "f" },
    text: { format: { type: "json_schema", name: "n", schema }, verbosity: "low" },
    temperature: 0,
    service_tier: "auto",
  });
  assertEquals(echo.tools, [
    { type: "function", name: "f", description: null, parameters: null, strict: null },
    { type: "web_search" },
  ]);
  assertEquals(echo.tool_choice, { type: "function", name: "f" });
  assertEquals(echo.text, {
    format: { type: "json_schema", name: "n", description: null, schema, strict: null },
    verbosity: "low",
  });
  assertEquals(`${echo.temperature} ${echo.service_tier}`, "0 default");
});

Deno.test("planTurn counts the bytes of text and the parts that are no text", () => {
  const plan = planOf({
    input: [{
      role: "user",
      content: [
        { type: "input_text", text: "aé☃😀" },
        { type: "input_image", image_url: `data:image/png;base64,${"A".repeat(1_000)}` },
      ],
    }],
  });
  assertEquals(plan.inputBytes, 1 + 2 + 3 + 4);
  assertEquals(plan.media, { images: 1, files: 0, audio: 0 });
});

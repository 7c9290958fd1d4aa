import { assertEquals, assertMatch } from "@std/assert";
import type { ChatRequest } from "../bridge/chat.ts";
import { unmeterableField } from "./chat_fields.ts";
import { thinkingAt, thinkingOf } from "./thinking.ts";

function chat(more: Record<string, unknown>): ChatRequest {
  return { model: "m", messages: [{ role: "user", content: "hi" }], stream: true, ...more };
}

Deno.test("unmeterableField() passes what clients usually send", () => {
  const usual = {
    temperature: 1,
    top_k: 20,
    n: 2,
    logit_bias: {},
    tools: [{ type: "function", function: { name: "f" } }, { type: "custom", custom: {} }],
    tool_choice: "auto",
    response_format: { type: "json_object" },
    chat_template_kwargs: { enable_thinking: false },
    reasoning: { effort: "high" },
    modalities: ["text"],
    audio: null,
    service_tier: "default",
    stream_options: { include_usage: true },
    user: "me",
  };
  assertEquals(unmeterableField(chat(usual)), null);
});

Deno.test("unmeterableField() names what may cost more than tokens, or other tokens", () => {
  for (
    const [field, value] of Object.entries({
      models: ["dear/model"],
      provider: { order: ["dear"] },
      plugins: [{ id: "web" }],
      web_search_options: {},
      best_of: 20,
      options: { num_predict: -1 },
      n_predict: -1,
      max_output_tokens: 100_000,
      chat_template: "{% for i in range(1000000) %}x{% endfor %}",
      audio: { voice: "alloy" },
      modalities: ["text", "audio"],
      service_tier: "priority",
      prediction: {},
    })
  ) assertEquals(unmeterableField(chat({ [field]: value })), field);
  const tools = [{ type: "function", function: { name: "f" } }, { type: "web_search" }];
  assertEquals(unmeterableField(chat({ tools })), "tools[1]");
  assertEquals(unmeterableField(chat({ tools: [null] })), "tools[0]");
  assertEquals(unmeterableField(chat({ tools: { type: "function" } })), "tools");
  assertMatch(unmeterableField(chat({ ["é\n".repeat(99)]: 1 })) ?? "", /^\?{64}$/);
});

Deno.test("thinkingOf() reads every way of saying it", () => {
  for (
    const more of [
      { reasoning_effort: "none" },
      { reasoning: { enabled: false } },
      { reasoning: { effort: "none" } },
      { thinking: { type: "disabled" } },
      { enable_thinking: false },
      { chat_template_kwargs: { enable_thinking: false } },
    ]
  ) assertEquals(thinkingOf(chat(more)), "off", JSON.stringify(more));
  for (
    const more of [
      { reasoning_effort: "low" },
      { reasoning: { effort: "high" } },
      { reasoning: { max_tokens: 2000 } },
      { thinking: { type: "enabled" } },
      { enable_thinking: true },
    ]
  ) assertEquals(thinkingOf(chat(more)), "on", JSON.stringify(more));
  for (const more of [{}, { reasoning: null }, { thinking: "x" }, { reasoning: {} }]) {
    assertEquals(thinkingOf(chat(more)), "unsaid", JSON.stringify(more));
  }
});

Deno.test("thinkingAt() believes an off only in the words of the upstream", () => {
  const qwen = { disableThinkingBody: { enable_thinking: false } };
  assertEquals(thinkingAt(chat({ enable_thinking: false }), qwen), "off");
  for (
    const foreign of [
      { reasoning_effort: "none" },
      { thinking: { type: "disabled" } },
      { reasoning: { enabled: false } },
      { chat_template_kwargs: { enable_thinking: false } },
    ]
  ) assertEquals(thinkingAt(chat(foreign), qwen), "unsaid", JSON.stringify(foreign));
  assertEquals(
    thinkingAt(chat({ enable_thinking: false }), { disableThinkingBody: null }),
    "unsaid",
  );
  const both = { enable_thinking: false, thinking: { type: "enabled" } };
  assertEquals(thinkingAt(chat(both), qwen), "on");
});

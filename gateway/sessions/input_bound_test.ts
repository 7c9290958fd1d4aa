import { assert, assertEquals, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import type { ChatMessage, ChatRequest } from "../bridge/chat.ts";
import { type InputBounds, UNBOUNDED } from "../pricing/price_book.ts";
import { boundInput } from "./input_bound.ts";
import { portablePrefixHash } from "./prefix_hash.ts";

const IMAGES: InputBounds = { imageTokens: 1000, audioTokens: null, fileTokens: null };

function chat(messages: ChatMessage[], more: Partial<ChatRequest> = {}): ChatRequest {
  return { model: "m", messages, stream: true, ...more };
}

function bound(request: ChatRequest, bounds = UNBOUNDED) {
  return boundInput(request, bounds, portablePrefixHash);
}

Deno.test("boundInput() is never below the UTF-8 bytes of the text", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 8 }), (texts) => {
    const bytes = texts.reduce((n, t) => n + new TextEncoder().encode(t).length, 0);
    const messages = texts.map((content): ChatMessage => ({ role: "user", content }));
    assert(bound(chat(messages)).tokens >= bytes);
  }));
});

Deno.test("boundInput() offers the end of the request before as a prefix of the next one", () => {
  const turns: ChatMessage[] = [{ role: "system", content: "s" }, { role: "user", content: "hi" }];
  const first = bound(chat(turns));
  const next = bound(chat([...turns, { role: "assistant", content: "yo" }, {
    role: "user",
    content: "more",
  }]));
  const known = next.prefixes.find((p) => p.hash === first.hash);
  assert(known);
  assert(known.rest < 150, `only what is new counts: ${known.rest}`);
  assertEquals(next.prefixes[0]?.hash, next.hash);
});

Deno.test("boundInput() names a different conversation differently", () => {
  const base = chat([{ role: "user", content: "hi" }]);
  const hashes = [
    base,
    chat([{ role: "user", content: "ho" }]),
    { ...base, model: "n" },
    { ...base, tools: [{ type: "function" as const, function: { name: "f", parameters: {} } }] },
    { ...base, response_format: { type: "json_object" } },
  ].map((request) => bound(request).hash);
  assertEquals(new Set(hashes).size, hashes.length);
});

Deno.test("boundInput() counts an image by its bound and not by its bytes", () => {
  const url = `data:image/png;base64,${"A".repeat(300_000)}`;
  const request = chat([{ role: "user", content: [{ type: "image_url", image_url: { url } }] }]);
  const known = bound(request, IMAGES);
  assert(known.tokens > 1000 && known.tokens < 1500, String(known.tokens));
  assertEquals(known.unmeterable, null);
  assertEquals(bound(request).unmeterable, "messages[0].content[0]: image_url");
  // The hash still covers the image.
  const other = chat([{
    role: "user",
    content: [{ type: "image_url", image_url: { url: url + "B" } }],
  }]);
  assertNotEquals(bound(other, IMAGES).hash, known.hash);
});

Deno.test("boundInput() does not take text that poses as an image for free", () => {
  const url = 'é\n"'.repeat(1000);
  const request = chat([{ role: "user", content: [{ type: "image_url", image_url: { url } }] }]);
  assert(bound(request, IMAGES).tokens > 4000);
});

Deno.test("boundInput() names fields that nothing bounds", () => {
  const hi: ChatMessage[] = [{ role: "user", content: "hi" }];
  assertEquals(bound(chat(hi, { web_search_options: {} })).unmeterable, "web_search_options");
  assertEquals(bound(chat(hi, { service_tier: "priority" })).unmeterable, "service_tier");
  assertEquals(bound(chat(hi, { service_tier: "flex" })).unmeterable, null);
});

Deno.test("boundInput() offers at most 64 prefixes, the longest first", () => {
  const messages = Array.from({ length: 500 }, (_, i): ChatMessage => ({
    role: i % 2 ? "assistant" : "user",
    content: `${i}`,
  }));
  const { prefixes } = bound(chat(messages));
  assert(prefixes.length <= 64 && prefixes.length > 20);
  for (let i = 1; i < prefixes.length; i++) assert(prefixes[i]!.rest > prefixes[i - 1]!.rest);
});

Deno.test("boundInput() counts fields that it does not know, and knows the conversation without them again", () => {
  const hi: ChatMessage[] = [{ role: "user", content: "hi" }];
  const plain = bound(chat(hi));
  const documents = bound(chat(hi, { documents: ["x".repeat(5000)] }));
  assert(documents.tokens > 5000);
  assertNotEquals(documents.hash, plain.hash);
  assertEquals(bound(chat(hi, { temperature: 0.5, tool_choice: "auto" })).hash, plain.hash);
});

Deno.test("boundInput() does not remember what was named and not sent: it may have grown", () => {
  const first: ChatMessage = { role: "user", content: "hi" };
  const image = (url: string): ChatMessage => ({
    role: "user",
    content: [{ type: "image_url", image_url: { url } }],
  });
  const remote = bound(chat([first, image("https://example.com/a.png"), first]), IMAGES);
  assertEquals(remote.prefixes.length, 1, "only what stands before the image");
  assert(remote.prefixes[0]!.rest > 1000);
  const sent = bound(chat([first, image("data:image/png;base64,AAAA"), first]), IMAGES);
  assertEquals(sent.prefixes.length, 3);
});

Deno.test("boundInput() counts earlier speech by the bound of audio, or says that it has none", () => {
  const spoken = { role: "assistant", content: null, audio: { id: "audio_1" } } as ChatMessage;
  const request = chat([spoken, { role: "user", content: "go on" }]);
  assertEquals(bound(request).unmeterable, "messages[0].audio");
  const known = bound(request, { ...IMAGES, audioTokens: 5000 });
  assert(known.tokens > 5000);
  assertEquals([known.unmeterable, known.prefixes.length], [null, 0]);
});

Deno.test("boundInput() knows a conversation only at the upstream that counted it", () => {
  const hi = chat([{ role: "user", content: "hi" }]);
  const at = (server: string) => boundInput(hi, UNBOUNDED, portablePrefixHash, server).hash;
  assertNotEquals(at("a"), at("b"));
});

Deno.test("boundInput() bounds no template that the client brings", () => {
  const hi: ChatMessage[] = [{ role: "user", content: "hi" }];
  const loop = { chat_template: "{% for i in range(99999) %}x{% endfor %}" };
  assertEquals(
    bound(chat(hi, { chat_template_kwargs: loop })).unmeterable,
    "chat_template_kwargs",
  );
  assertEquals(
    bound(chat(hi, { chat_template_kwargs: { enable_thinking: false } })).unmeterable,
    null,
  );
});

Deno.test("boundInput() does not take what a template left out before for what it leaves out now", () => {
  const hi: ChatMessage[] = [{ role: "user", content: "hi" }];
  const tools = [{ type: "function" as const, function: { name: "f", parameters: {} } }];
  const plain = bound(chat(hi, { tools })).hash;
  for (
    const more of [
      // Servers leave tools out of the prompt that may not be called.
      { tool_choice: "none" },
      { function_call: "none" },
      { thinking: { type: "enabled", clear_thinking: false } },
      { enable_thinking: true },
      { reasoning_effort: "high" },
    ]
  ) {
    assertNotEquals(bound(chat(hi, { tools, ...more })).hash, plain, JSON.stringify(more));
  }
  assertEquals(bound(chat(hi, { tools, tool_choice: "required" })).hash, plain);
});

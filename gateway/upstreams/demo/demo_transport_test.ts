import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { readText } from "../read_text.ts";
import { systemClock } from "@synth/core";
import { demoTransport } from "./demo_transport.ts";
import { sampleOf } from "./sample_of.ts";

const WEATHER = {
  type: "object",
  properties: {
    city: { type: "string" },
    days: { type: "integer", minimum: 2 },
    note: { type: "string" },
  },
  required: ["city", "days"],
};
const TOOL = { type: "function", function: { name: "weather", parameters: WEATHER } };

async function ask(request: Record<string, unknown>): Promise<string> {
  const reply = await demoTransport().send({
    url: new URL("http://synth-demo.invalid/chat/completions"),
    method: "POST",
    headers: {},
    body: JSON.stringify({
      model: "synth-demo",
      stream: false,
      messages: [{ role: "user", content: "hi" }],
      ...request,
    }),
    signal: new AbortController().signal,
    connectTimeoutMs: 1,
  });
  assertEquals(reply.status, 200);
  return await readText(reply.body, 1_000_000, systemClock, 1000);
}

async function whole(request: Record<string, unknown>) {
  const { choices, usage } = JSON.parse(await ask(request));
  return { message: choices[0].message, finish: choices[0].finish_reason, usage };
}

function prompt(content: string): { messages: object[] } {
  return { messages: [{ role: "user", content }] };
}

Deno.test("synth-demo says what it is, and the same thing each time", async () => {
  const first = await whole(prompt("Grüße 👋"));
  assertEquals(first, await whole(prompt("Grüße 👋")));
  assertStringIncludes(first.message.content, "no language model");
  assertStringIncludes(first.message.content, "Grüße 👋");
  assertEquals(first.usage.total_tokens, first.usage.prompt_tokens + first.usage.completion_tokens);
});

Deno.test("synth-demo calls a tool on a call line, several on several lines", async () => {
  const { message, finish } = await whole({
    ...prompt('please\ncall weather {"city":"Rome"}\ncall weather {"city":"Oslo"}'),
    tools: [TOOL],
  });
  const calls = message.tool_calls.map((call: { function: { arguments: string } }) =>
    call.function.arguments
  );
  assertEquals([calls, finish], [['{"city":"Rome"}', '{"city":"Oslo"}'], "tool_calls"]);
  assertEquals(new Set(message.tool_calls.map((call: { id: string }) => call.id)).size, 2);
});

Deno.test("synth-demo makes up arguments, obeys tool_choice, and calls nothing that is not offered", async () => {
  const used = await whole({ ...prompt("Use the weather tool now"), tools: [TOOL] });
  assertEquals(JSON.parse(used.message.tool_calls[0].function.arguments), {
    city: "demo",
    days: 2,
  });
  const required = await whole({ tools: [TOOL], tool_choice: "required" });
  assertEquals(required.message.tool_calls[0].function.name, "weather");
  const named = await whole({
    tools: [TOOL],
    tool_choice: { type: "function", function: { name: "weather" } },
  });
  assertEquals(named.message.tool_calls.length, 1);
  const none = await whole({ ...prompt("call weather {}"), tools: [TOOL], tool_choice: "none" });
  assertEquals(none.message.tool_calls, undefined);
  assertEquals((await whole(prompt("call other {}"))).message.tool_calls, undefined);
});

Deno.test("synth-demo reports what a tool answered", async () => {
  const { message } = await whole({
    messages: [
      { role: "user", content: "call weather {}" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "c", type: "function", function: { name: "weather", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "c", content: "sunny" },
    ],
    tools: [TOOL],
  });
  assertStringIncludes(message.content, "sunny");
});

Deno.test("synth-demo answers with an instance of a schema", async () => {
  const schema = { type: "json_schema", json_schema: { name: "x", schema: WEATHER } };
  assertEquals(JSON.parse((await whole({ response_format: schema })).message.content), {
    city: "demo",
    days: 2,
  });
});

Deno.test("synth-demo keeps to the cap of its output", async () => {
  for (const cap of [{ max_tokens: 3 }, { max_completion_tokens: 3 }]) {
    const { finish, usage } = await whole({ ...prompt("x".repeat(500)), ...cap });
    assertEquals([finish, usage.completion_tokens], ["length", 3]);
  }
});

Deno.test("synth-demo streams the same text in pieces, with usage when it is asked for", async () => {
  const text = (raw: string) =>
    raw.split("\n\n").filter((line) => line.startsWith("data: {")).map((line) =>
      JSON.parse(line.slice(6))
    );
  const request = { ...prompt("Grüße 👋".repeat(20)), stream: true };
  const chunks = text(await ask(request));
  const joined = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
  assertEquals(joined, (await whole(prompt("Grüße 👋".repeat(20)))).message.content);
  assert(chunks.length > 5);
  const last = text(await ask({ ...request, stream_options: { include_usage: true } })).at(-1);
  assertEquals([last.choices, typeof last.usage.total_tokens], [[], "number"]);
});

Deno.test("sampleOf makes an instance of common schemas and survives odd ones", () => {
  assertEquals(sampleOf({ enum: ["a", "b"] }), "a");
  assertEquals(sampleOf({ const: 7 }), 7);
  assertEquals(sampleOf({ anyOf: [{ type: "null" }, { type: "string" }] }), null);
  assertEquals(sampleOf({ type: ["integer", "null"] }), 0);
  assertEquals(sampleOf({ type: "array", items: { type: "boolean" }, minItems: 2 }), [
    false,
    false,
  ]);
  assertEquals(
    sampleOf({ $ref: "#/$defs/a", $defs: { a: { type: "string", minLength: 6 } } }),
    "demooo",
  );
  const loop = { type: "object", required: ["x"], properties: { x: { $ref: "#" } } };
  assert(JSON.stringify(sampleOf(loop)).length < 500);
  for (
    const odd of [null, 1, "x", [], { type: "object", properties: 3, required: {} }, {
      $ref: "#/__proto__/x",
    }]
  ) {
    assertEquals(sampleOf(odd), {});
  }
});

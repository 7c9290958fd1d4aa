/** The openai package, 6, in Deno: Chat Completions on an upstream that speaks the Responses API. @module */
import { assert, assertEquals } from "@std/assert";
// deno-lint-ignore no-import-prefix -- a client under test is no dependency of this project
import OpenAI from "npm:openai@6.49.0";
import { json } from "../support/chat_replies.ts";
import {
  eventsOfResponse,
  functionCall,
  message,
  responsesStream,
} from "../support/responses_replies.ts";
import { startResponsesUpstream } from "../support/scripted_responses_upstream.ts";
import { startGateway, TEST_KEY } from "../support/test_gateway.ts";

Deno.test("the OpenAI SDK reads a reversed stream, and a whole answer", async () => {
  const events = eventsOfResponse([message("Hel", "lo"), functionCall("c1", "f", '{"a"', ":1}")]);
  await using upstream = await startResponsesUpstream(({ body }) =>
    body.stream === true
      ? responsesStream(events)
      : json(200, (events.at(-1) as { response: unknown }).response)
  );
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: { api: "responses" },
  });
  const client = new OpenAI({
    apiKey: TEST_KEY,
    baseURL: "http://gateway.test/v1",
    fetch: (input, init) => it.gateway.fetch(new Request(String(input), init as RequestInit)),
  });
  const tools = [{
    type: "function" as const,
    function: { name: "f", parameters: { type: "object" } },
  }];
  const asked = { model: "renamed", messages: [{ role: "user" as const, content: "hi" }], tools };
  const streamed = await client.chat.completions.stream({
    ...asked,
    stream_options: { include_usage: true },
  }).finalChatCompletion();
  const whole = await client.chat.completions.create(asked);
  for (const { choices: [choice], usage } of [streamed, whole]) {
    assertEquals(choice!.message.content, "Hello");
    const [called] = choice!.message.tool_calls!;
    assert(called?.type === "function");
    assertEquals([called.id, called.function.arguments, choice!.finish_reason], [
      "c1",
      '{"a":1}',
      "tool_calls",
    ]);
    assertEquals(usage?.total_tokens, 18);
  }
});

import { assert, assertEquals, assertFalse } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { ProxyConfig } from "../../contract/task_app_config.ts";
import { type Answer, echoApp, envOf, KEY } from "../../testing/echo_app.ts";
import { injectSystemHint, prepareForGroq, prepareForOpenAi } from "./prepare_payload.ts";
import { parseActions, synthesizeToolCall } from "./tool_call_fallback.ts";

const OPENAI = "openai-key-0123456789";
const GROQ = "groq-key-0123456789";

interface Asked {
  url: string;
  headers: Headers;
  body: Answer;
}

/** A task app whose vendor answers so. */
function proxied(answer: (asked: Asked) => Response | Promise<Response>, proxy: ProxyConfig = {}) {
  const asked: Asked[] = [];
  const clock = new FakeClock();
  const { app, log } = echoApp({ proxy: { enableOpenai: true, enableGroq: true, ...proxy } }, {
    clock,
    env: envOf({ ENVIRONMENT_API_KEY: KEY, OPENAI_API_KEY: OPENAI, GROQ_API_KEY: GROQ }),
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const call = { url: request.url, headers: request.headers, body: await request.json() };
      asked.push(call);
      return await answer(call);
    },
  });
  const post = async (body: unknown, path = "/proxy/v1/chat/completions") => {
    const response = await app.request(path, {
      method: "POST",
      headers: { "x-api-key": KEY, authorization: "Bearer theirs", "x-secret": "theirs" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, headers: response.headers };
  };
  return { post, asked, log, clock, app };
}

function ok(): Response {
  return Response.json({ choices: [{ message: { content: "hello" } }] });
}

Deno.test("the proxies call the vendor with the task app's key, and nothing of the client's", async () => {
  const { post, asked, log } = proxied(ok, { groqUrl: "https://groq.example/x" });
  const body = { model: "gpt-4o", messages: [], thinking_mode: "x", reasoning: {}, keep: 1 };
  assertEquals((await post(body)).status, 200);
  assertEquals((await post(body, "/proxy/groq/v1/chat/completions")).status, 200);
  const [openai, groq] = asked;
  assertEquals(openai?.url, "https://api.openai.com/v1/chat/completions");
  assertEquals(openai?.headers.get("authorization"), `Bearer ${OPENAI}`);
  assertEquals(groq?.url, "https://groq.example/x");
  assertEquals(groq?.headers.get("authorization"), `Bearer ${GROQ}`);
  for (const call of asked) {
    assertEquals(call.headers.get("x-api-key"), null);
    assertFalse(JSON.stringify([...call.headers]).includes("theirs"));
    assertEquals(call.body, { model: "gpt-4o", messages: [], keep: 1 });
  }
  assertFalse(log.lines.join().includes(OPENAI));
});

Deno.test("the proxies want the vendor's key from the environment", async () => {
  const { app } = echoApp({ proxy: { enableGroq: true } });
  const response = await app.request("/proxy/groq/v1/chat/completions", {
    method: "POST",
    headers: { "x-api-key": KEY },
    body: "{}",
  });
  assertEquals([response.status, (await response.json()).error.code], [
    503,
    "missing_groq_api_key",
  ]);
});

Deno.test("the proxies pass the vendor's refusal on, without secrets", async () => {
  const refusal = { error: { message: "Incorrect API key provided: sk-abcdefghijklmnopqrstuv" } };
  const { post } = proxied(() =>
    Response.json(refusal, { status: 429, headers: { "retry-after": "7" } })
  );
  const { status, text, headers } = await post({});
  const body = JSON.parse(text);
  assertEquals([status, body.error.code, body.error.status], [429, "openai_error", 429]);
  assertEquals(headers.get("retry-after"), "7");
  assertFalse(text.includes("sk-abcdefghijklmnopqrstuv"));
  const plain = proxied(() => new Response("<html>", { status: 503 }));
  const groq = await plain.post({}, "/proxy/groq/v1/chat/completions");
  const answer = JSON.parse(groq.text);
  assertEquals([groq.status, answer.error.code, answer.error.body], [503, "groq_error", "<html>"]);
});

Deno.test("the proxies never try again, and tell a vendor that is silent from one that is gone", async () => {
  const gone = proxied(() => Promise.reject(new TypeError("connection refused")));
  const answer = await gone.post({});
  assertEquals([answer.status, JSON.parse(answer.text).error.code], [502, "vendor_error"]);
  assertEquals(gone.asked.length, 1);
  const elsewhere = proxied(() => Response.redirect("https://evil.example/", 307));
  const redirected = await elsewhere.post({});
  assertEquals([redirected.status, elsewhere.asked.length], [502, 1]);
  const called = Promise.withResolvers<void>();
  const silent = proxied(() => {
    called.resolve();
    return new Promise<Response>(() => {});
  }, { timeoutS: 30 });
  // Only the deadline ends it: the double does not heed its signal, a real fetch does.
  const heeding = echoApp({ proxy: { enableOpenai: true, timeoutS: 30 } }, {
    clock: silent.clock,
    env: envOf({ ENVIRONMENT_API_KEY: KEY, OPENAI_API_KEY: OPENAI }),
    fetch: (_, init) => {
      called.resolve();
      return new Promise((_, reject) =>
        init?.signal?.addEventListener("abort", () => reject(init.signal?.reason))
      );
    },
  }).app;
  const pending = heeding.request("/proxy/v1/chat/completions", {
    method: "POST",
    headers: { "x-api-key": KEY },
    body: "{}",
  });
  await called.promise;
  await silent.clock.tick(30_000);
  const late = await pending;
  assertEquals([late.status, (await late.json()).error.code], [504, "vendor_timeout"]);
});

Deno.test("the proxies give what is no JSON as raw, and pass a stream on", async () => {
  const text = proxied(() => new Response("not json"));
  assertEquals(JSON.parse((await text.post({})).text), { raw: "not json" });
  const events = "data: {}\n\ndata: [DONE]\n\n";
  const stream = proxied(() =>
    new Response(events, { headers: { "content-type": "text/event-stream; charset=utf-8" } })
  );
  const passed = await stream.post({ stream: true });
  assertEquals([passed.text, passed.headers.get("content-type")], [events, "text/event-stream"]);
  const list = await text.post([]);
  assertEquals(list.status, 422);
});

Deno.test("the proxies add the system hint and the missing tool call", async () => {
  const { post, asked } = proxied(
    () => Response.json({ choices: [{ message: { content: "Actions: up, down" } }] }),
    { systemHint: " be brief " },
  );
  const { text } = await post({ model: "m", messages: [{ role: "user", content: "hi" }] });
  assertEquals(asked[0]?.body.messages[0], { role: "system", content: "be brief" });
  const [choice] = JSON.parse(text).choices;
  assertEquals(choice.finish_reason, "tool_calls");
  assertEquals(choice.message.tool_calls, [{
    id: "tool_interact_fallback",
    type: "function",
    function: { name: "interact", arguments: '{"actions":["up","down"]}' },
  }]);
});

Deno.test("prepareForOpenAi fits a gpt-5 request", () => {
  const tools = [{ type: "function", function: { name: "first" } }, { type: "function" }];
  const given = { model: "openai/GPT-5-mini", max_tokens: 100, temperature: 0, top_p: 1, tools };
  const before = structuredClone(given);
  assertEquals(prepareForOpenAi(given), {
    model: "openai/GPT-5-mini",
    max_completion_tokens: 16_000,
    tools,
    tool_choice: { type: "function", function: { name: "first" } },
    parallel_tool_calls: false,
  });
  assertEquals(given, before);
  assertEquals(
    prepareForOpenAi({ model: "gpt-5", max_tokens: 20_000, tool_choice: "auto", tools }),
    {
      model: "gpt-5",
      max_completion_tokens: 20_000,
      tools,
      tool_choice: "auto",
      parallel_tool_calls: false,
    },
  );
  assertEquals(prepareForOpenAi({ model: "gpt-5" }), { model: "gpt-5" });
  const other = { model: "gpt-4o", max_tokens: 1, temperature: 0 };
  assertEquals(prepareForOpenAi({ ...other, stop_after_tool_calls: 1, thinking_budget: 2 }), other);
});

Deno.test("prepareForGroq names tokens as Groq does, and downgrades schemas", () => {
  const schema = { type: "json_schema", json_schema: {} };
  assertEquals(
    prepareForGroq({ model: "qwen", max_completion_tokens: 5, response_format: schema }),
    { model: "qwen", max_tokens: 5, response_format: { type: "json_object" } },
  );
  assertEquals(prepareForGroq({ model: "q", max_completion_tokens: 5, max_tokens: 3 }), {
    model: "q",
    max_tokens: 3,
  });
  const kept = { model: "Llama-3.3-70b-versatile", response_format: schema };
  assertEquals(prepareForGroq(kept), kept);
  assertEquals(prepareForGroq({ model: "gpt-5", max_completion_tokens: 20_000 }), {
    model: "gpt-5",
    max_completion_tokens: 20_000,
  });
});

Deno.test("injectSystemHint appends once", () => {
  const system = { role: "system", content: "Rules." };
  const once = injectSystemHint({ messages: [{ role: "user" }, system] }, "Hint");
  assertEquals(once["messages"], [{ role: "user" }, {
    role: "system",
    content: "Rules.\n\nHint",
  }]);
  assertEquals(injectSystemHint(once, "Hint"), once);
  const parts = injectSystemHint({ messages: [{ role: "system", content: [] }] }, "Hint");
  assertEquals(parts["messages"], [{ role: "system", content: [{ type: "text", text: "Hint" }] }]);
  assertEquals(injectSystemHint(parts, "Hint"), parts);
  assertEquals(injectSystemHint({}, "Hint")["messages"], [{ role: "system", content: "Hint" }]);
});

Deno.test("parseActions reads the four ways of writing actions, in linear time", () => {
  const table: [string, ReturnType<typeof parseActions>][] = [
    ['{"actions":["a","b"],"reasoning":"why"}', { actions: ["a", "b"], reasoning: "why" }],
    ['I will do ```json\n{"note":{"x":"}"}, "actions":["a"]}\n``` now', { actions: ["a"] }],
    ['first {not json} then {"actions":"go"}', { actions: ["go"] }],
    ["I think.\nActions: up, 'down', left.", { actions: ["up", "down", "left"] }],
    ["**Actions:** [up, down]", { actions: ["up", "down"] }],
    ["Action 1: up\nAction 2: down\n", { actions: ["up", "down"] }],
    ["just words", null],
    ["", null],
    ['{"actions":[]}', null],
    ['{"actions":[1,2]}', null],
    ["Transactions: a, b", null],
  ];
  for (const [text, expected] of table) assertEquals(parseActions(text), expected, text);
  for (const hostile of ["{", '{"', "Action 1:", "\n", " ", "*", '{"actions":']) {
    parseActions(hostile.repeat(60_000 / hostile.length));
    parseActions(hostile.repeat(1_000_000));
  }
});

Deno.test("synthesizeToolCall leaves alone what needs none", () => {
  const request = { tools: [{ type: "function", function: { name: "interact" } }] };
  const answer = { choices: [{ message: { content: "Actions: a" } }] };
  const has = (given: Answer, asked: Answer) =>
    JSON.stringify(synthesizeToolCall(given, asked)).includes("tool_interact_fallback");
  assert(has(answer, request));
  assert(has(answer, {}));
  assertFalse(has(answer, { tools: [{ type: "function", function: { name: "other" } }] }));
  const called = { choices: [{ message: { content: "Actions: a", tool_calls: [{ id: "x" }] } }] };
  assertFalse(has(called, request));
  for (const odd of [{}, { choices: "x" }, { choices: [] }, { choices: [{}] }]) {
    assertEquals(synthesizeToolCall(odd, request), odd);
  }
});

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { delta, frame, gate, sse, stream, text } from "./chat_replies.ts";
import { isRecord, type Rec } from "./response_shape.ts";
import { CASES } from "./scripted_cases.ts";
import { type ScriptedUpstream, startUpstream } from "./scripted_upstream.ts";

function post(
  upstream: ScriptedUpstream,
  body: Rec,
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(`${upstream.baseUrl}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: "Bearer k" },
    body: JSON.stringify(body),
    signal,
  });
}

function ask(model: string, over: Rec = {}): Rec {
  return {
    model,
    messages: [{ role: "user", content: "hi" }],
    stream: true,
    stream_options: { include_usage: true },
    ...over,
  };
}

Deno.test("startUpstream answers every case that is named by the model", async () => {
  await using upstream = await startUpstream();
  for (const [name, scripted] of CASES) {
    if (scripted.slow || name.includes("cut") || name.includes("reset")) continue;
    if (name === "short-length") continue;
    const response = await post(upstream, ask(`mock-${name}`));
    const body = await response.text();
    assertEquals(body, await plain(scripted.reply(ask(`mock-${name}`)).steps), name);
  }
});

function plain(steps: unknown[]): Promise<string> {
  return new Blob(steps.filter((s) => typeof s === "string") as string[]).text()
    .then((joined) => joined.replace(/^\ufeff/, ""));
}

Deno.test("startUpstream cuts, resets and lies as the case says", async () => {
  await using upstream = await startUpstream();
  for (const name of ["cut", "cut-in-frame", "reset", "short-length"]) {
    const response = await post(upstream, ask(`mock-${name}`));
    assertEquals(response.status, 200, name);
    await assertRejects(() => response.text(), Error, "", name);
  }
  for (const name of ["cut-first", "reset-first"]) {
    await assertRejects(() => post(upstream, ask(`mock-${name}`)), Error, "", name);
  }
});

Deno.test("startUpstream holds an answer at a gate until the test opens it", async () => {
  await using upstream = await startUpstream();
  const held = gate();
  upstream.enqueue(sse([frame(text("a")), { wait: held.promise }, frame(text("b"))]));
  const response = await post(upstream, ask("any"));
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  assert(reader !== undefined);
  assertStringIncludes((await reader.read()).value ?? "", '"a"');
  held.open();
  assertStringIncludes((await reader.read()).value ?? "", '"b"');
  assertEquals((await reader.read()).done, true);
});

Deno.test("startUpstream notices that the client has gone", async () => {
  await using upstream = await startUpstream();
  const aborter = new AbortController();
  const response = await post(upstream, ask("mock-stall"), aborter.signal);
  assertEquals(response.status, 200);
  const request = await upstream.request(0);
  aborter.abort();
  await response.body?.cancel().catch(() => {});
  await request.closed;
});

Deno.test("startUpstream fails the test that sent a broken history", async () => {
  const call = {
    role: "assistant",
    content: null,
    tool_calls: [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }],
  };
  const user = { role: "user", content: "hi" };
  const tool = { role: "tool", tool_call_id: "c1", content: "ok" };
  const good = [[user], [user, call, tool], [{ role: "system", content: "s" }, user]];
  const bad: [string, unknown[]][] = [
    ["the outputs of c1 are missing", [user, call, user]],
    ["no call waits for", [user, tool]],
    ["c1", [user, call]],
    ["system", [user, { role: "system", content: "s" }]],
    ["input_text", [{ role: "user", content: [{ type: "input_text", text: "x" }] }]],
    ["content", [{ role: "assistant", content: null }]],
    ["role", [{ role: "critic", content: "x" }]],
  ];
  for (const messages of good) {
    await using upstream = await startUpstream();
    await (await post(upstream, ask("mock-text", { messages }))).text();
  }
  for (const [problem, messages] of bad) {
    const upstream = await startUpstream();
    await (await post(upstream, ask("mock-text", { messages }))).text();
    await assertRejects(() => Promise.resolve(upstream[Symbol.asyncDispose]()), Error, problem);
  }
});

Deno.test("startUpstream answers from the queue first, then by the model, else 404", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(stream(delta({ content: "queued" })));
  assertStringIncludes(await (await post(upstream, ask("mock-text"))).text(), "queued");
  assertStringIncludes(await (await post(upstream, ask("mock-text"))).text(), '"Hel"');
  const missing = await post(upstream, ask("other"));
  assertEquals(missing.status, 404);
  await missing.body?.cancel();
  assertEquals(upstream.requests.map((r) => r.body.model), ["mock-text", "mock-text", "other"]);
});

const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function auto(upstream: ScriptedUpstream, content: string, over: Rec = {}): Promise<Rec> {
  const body = { ...ask("mock-auto"), stream: false, messages: [{ role: "user", content }] };
  const answer = await (await post(upstream, { ...body, ...over })).json();
  return answer.choices[0];
}

Deno.test("mock-auto calls tools, fills schemas, remembers and keeps its cap", async () => {
  await using upstream = await startUpstream();
  const message = async (content: string, over: Rec = {}): Promise<Rec> => {
    const choice = await auto(upstream, content, over);
    assert(isRecord(choice.message));
    return choice.message;
  };
  const called = await message("What is the weather in Paris?", { tools: [WEATHER] });
  assertStringIncludes(JSON.stringify(called.tool_calls), '\\"city\\":\\"Paris\\"');
  const two = await message("Weather in Paris and in Rome?", { tools: [WEATHER] });
  assertEquals(Array.isArray(two.tool_calls) && two.tool_calls.length, 2);
  const one = await message("Weather in Paris and in Rome?", {
    tools: [WEATHER],
    parallel_tool_calls: false,
  });
  assertEquals(Array.isArray(one.tool_calls) && one.tool_calls.length, 1);
  const none = await message("The weather?", { tools: [WEATHER], tool_choice: "none" });
  assertEquals(none.tool_calls, undefined);
  const forced = await message("hi", { tools: [WEATHER], tool_choice: "required" });
  assert(forced.tool_calls !== undefined);
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] };
  const format = { type: "json_schema", json_schema: { name: "s", schema } };
  assertEquals((await message("give 7", { response_format: format })).content, '{"n":7}');
  const capped = await auto(upstream, "Tell a long story", { max_tokens: 5 });
  assertEquals(capped.finish_reason, "length");
  assertEquals((await message("Reply with exactly: pong")).content, "pong");
});

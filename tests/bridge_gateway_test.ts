/** What the bridge does beyond one translation: compaction, truncation, undeclared calls, long histories and long streams. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import {
  call,
  finish,
  frame,
  httpError,
  json,
  role,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import { checkEvents, checkResponse, finalResponse } from "./support/response_invariants.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";

const TOOLS = [{ type: "function", name: "f" }];
const TRIGGER = { type: "compaction_trigger" };

function user(content: string): Rec {
  return { role: "user", content };
}

function say(...words: string[]): ReturnType<typeof stream> {
  return stream(role(), ...words.map(text), finish("stop"), usage());
}

function sealer(): ReturnType<typeof createSealer> {
  return createSealer(parseSealKeys(generateSealKey("k")));
}

Deno.test("gateway compacts: one sealed item, streamed and whole, read back as the summary", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(say("All ", "is done."), say("All is done."), say("Going on."));
  await using it = await startGateway({ baseUrl: upstream.baseUrl, sealer: sealer() });
  const body = { model: "mock-any", tools: TOOLS, input: [user("do it"), TRIGGER] };
  const events = await eventsOf(await it.post("/v1/responses", { ...body, stream: true }));
  assertEquals(checkEvents(events), []);
  const streamed = finalResponse(events);
  const whole = await (await it.post("/v1/responses", body)).json();
  assertEquals(checkResponse(whole), []);
  const sent = upstream.requests[0]?.body;
  assertEquals([sent?.tools, sent?.tool_choice], [undefined, undefined]);
  for (const response of [streamed, whole]) {
    const output = response.output as Rec[];
    assertEquals(output.map((item) => item.type), ["compaction"]);
    assertEquals(response.usage, whole.usage);
    assert(!JSON.stringify([events, response]).includes("is done"));
  }
  const next = { model: "mock-any", input: [...whole.output, user("go on")] };
  await (await it.post("/v1/responses", next)).body?.cancel();
  const messages = upstream.requests[2]?.body.messages as Rec[];
  assertStringIncludes(String(messages[0]?.content), "All is done.");
  assertEquals(messages.length, 2);
});

Deno.test("gateway gives no compaction for an answer without words", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(say(), say());
  await using it = await startGateway({ baseUrl: upstream.baseUrl, sealer: sealer() });
  const body = { model: "mock-any", input: [user("do it"), TRIGGER] };
  const events = await eventsOf(await it.post("/v1/responses", { ...body, stream: true }));
  assertEquals(checkEvents(events), []);
  assertEquals(finalResponse(events).status, "failed");
  const whole = await it.post("/v1/responses", body);
  assertEquals(whole.status, 502);
  await whole.body?.cancel();
});

Deno.test("gateway refuses to compact without keys for seals", async () => {
  await using upstream = await startUpstream();
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const response = await it.post("/v1/responses", { model: "mock-any", input: [TRIGGER] });
  assertEquals(response.status, 400);
  assertEquals((await response.json()).error.code, "compaction_unavailable");
  assertEquals(upstream.requests.length, 0);
});

Deno.test("gateway sends no request of which no message is left", async () => {
  await using upstream = await startUpstream();
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  for (const stream of [false, true]) {
    const input = [{ type: "computer_call" }, { type: "weather" }];
    const response = await it.post("/v1/responses", { model: "mock-any", input, stream });
    const { error } = await response.json();
    assertEquals([response.status, error.code, error.param], [400, "invalid_value", "input"]);
    assertStringIncludes(error.message, "Not carried: computer_call, weather");
  }
  assertEquals(upstream.requests.length, 0);
});

const TURNS = Array.from({ length: 8 }, (_, n) => [user(`question ${n}`), {
  role: "assistant",
  content: `answer ${n}`,
}]).flat();
const OVERFLOW = httpError(400, "This model's maximum context length is 8192 tokens");

Deno.test("gateway truncates the oldest turns until the upstream takes the rest", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(OVERFLOW, OVERFLOW, say("Yes."));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const system = { role: "developer", content: "be good" };
  const body = { model: "mock-any", truncation: "auto", input: [system, ...TURNS, user("last")] };
  const response = await it.post("/v1/responses", body);
  assertEquals(response.status, 200);
  assertEquals((await response.json()).truncation, "auto");
  const sent = upstream.requests.map(({ body }) => (body.messages as Rec[]).map((m) => m.content));
  assertEquals(sent.map((messages) => messages.length), [18, 8, 4]);
  assertEquals(sent[2], ["be good", "question 7", "answer 7", "last"]);
  assertEquals(response.headers.get("x-synth-truncated"), "14");
});

Deno.test("gateway truncates only when it was asked to, and never the last turn", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(...Array.from({ length: 6 }, () => OVERFLOW));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const codes: unknown[] = [];
  for (const truncation of [undefined, "disabled", "auto"]) {
    const input = [user("old"), { role: "assistant", content: "yes" }, user("last")];
    const body = { model: "mock-any", truncation, input, stream: true };
    const response = await it.post("/v1/responses", body);
    codes.push(response.status, (await response.json()).error.code);
  }
  const refused = [400, "context_length_exceeded"];
  assertEquals(codes, [...refused, ...refused, ...refused]);
  assertEquals(upstream.requests.length, 4);
});

Deno.test("gateway truncates also where the overflow comes as the body of a 200", async () => {
  await using upstream = await startUpstream();
  const error = { message: "prompt is too long", code: 400 };
  upstream.enqueue(json(200, { error }), say("Yes."));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const body = { model: "mock-any", truncation: "auto", input: [...TURNS, user("last")] };
  const response = await it.post("/v1/responses", body);
  assertEquals(response.status, 200);
  await response.body?.cancel();
  assertEquals(upstream.requests.length, 2);
});

Deno.test("gateway shows a call of an undeclared tool when nothing else was called", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(stream(text("I look."), call(0, "{}", "call_b", "bash"), finish("tool_calls")));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const body = { model: "mock-any", input: "hi", tools: TOOLS, stream: true };
  const events = await eventsOf(await it.post("/v1/responses", body));
  assertEquals(checkEvents(events), []);
  const output = finalResponse(events).output as Rec[];
  assertEquals(output.map((item) => [item.type, item.name]), [
    ["message", undefined],
    ["function_call", "bash"],
  ]);
});

Deno.test("gateway hides a call outside of allowed_tools even when nothing else was called", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(stream(call(0, "{}", "call_b", "bash"), finish("tool_calls")));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const tools = [...TOOLS, { type: "function", name: "bash" }];
  const tool_choice = { type: "allowed_tools", mode: "auto", tools: TOOLS };
  const body = { model: "mock-any", input: "hi", tools, tool_choice };
  const { output } = await (await it.post("/v1/responses", body)).json();
  assertEquals(output.map((item: Rec) => item.type), ["message"]);
});

Deno.test("gateway hides every call after tool_choice none, declared or not", async () => {
  for (const name of ["f", "bash"]) {
    await using upstream = await startUpstream();
    upstream.enqueue(stream(call(0, "{}", "call_b", name), finish("tool_calls")));
    await using it = await startGateway({ baseUrl: upstream.baseUrl });
    const body = { model: "mock-any", input: "hi", tools: TOOLS, tool_choice: "none" };
    const { output } = await (await it.post("/v1/responses", body)).json();
    assertEquals(output.map((item: Rec) => item.type), ["message"], name);
  }
});

Deno.test("gateway carries a history of 10,000 items with calls, outputs and reasoning in order", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(say("Yes."));
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const input = Array.from({ length: 2000 }, (_, n): Rec[] => [
    user(`question ${n}`),
    { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: `think ${n}` }] },
    { type: "function_call", call_id: `c${n}`, name: "f", arguments: `{"n":${n}}` },
    { type: "function_call_output", call_id: `c${n}`, output: `result ${n}` },
    { role: "assistant", content: `answer ${n}` },
  ]).flat();
  const response = await it.post("/v1/responses", { model: "mock-any", input, tools: TOOLS });
  assertEquals(response.status, 200);
  await response.body?.cancel();
  const messages = upstream.requests[0]?.body.messages as Rec[];
  assertEquals(messages.length, 8000);
  assertEquals(messages.slice(-4).map((m) => [m.role, m.content, m.reasoning_content]), [
    ["user", "question 1999", undefined],
    ["assistant", null, "think 1999"],
    ["tool", "result 1999", undefined],
    ["assistant", "answer 1999", undefined],
  ]);
});

Deno.test("gateway carries ten megabytes of an answer, streamed and whole, text and arguments", async () => {
  const piece = "a piece of text, é and 🙂, ".repeat(400);
  const pieces = Math.ceil(5_000_000 / piece.length);
  const args = JSON.stringify({ text: piece.repeat(pieces) });
  const steps = [
    role(),
    ...Array.from({ length: pieces }, () => text(piece)),
    call(0, "", "call_a", "f"),
    ...args.match(/[^]{1,10000}/g)!.map((one) => call(0, one)),
    finish("tool_calls"),
    usage(),
  ].map(frame);
  for (const streamed of [true, false]) {
    await using upstream = await startUpstream();
    upstream.enqueue(sse([...steps, "data: [DONE]\n\n"]));
    await using it = await startGateway({ baseUrl: upstream.baseUrl });
    const body = { model: "mock-any", input: "hi", tools: TOOLS, stream: streamed };
    const response = await it.post("/v1/responses", body);
    const answer = streamed ? finalResponse(await eventsOf(response)) : await response.json();
    const [message, called] = answer.output as Rec[];
    const [part] = message?.content as Rec[];
    assert(part?.text === piece.repeat(pieces), "the text");
    assert(called?.arguments === args, "the arguments");
  }
});

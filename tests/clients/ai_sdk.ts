/** The AI SDK in Node, over Responses and over Chat: streams and generated texts of two steps with a tool. @module */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  call,
  delta,
  finish,
  httpError,
  role,
  stream,
  text,
  usage,
} from "../support/chat_replies.ts";
import {
  type RunningGateway,
  scriptedConfig,
  startGatewayProcess,
} from "../support/gateway_process.ts";
import { installClient } from "../support/install.ts";
import type { RawReply } from "../support/raw_http.ts";
import { isRecord, type Rec } from "../support/response_shape.ts";
import { runProgram } from "../support/run_program.ts";
import { type RecordedRequest, startUpstream } from "../support/scripted_upstream.ts";
import { startTap } from "../support/tap.ts";

interface Job {
  readonly provider: string;
  readonly mode: "stream" | "generate";
  readonly model: string;
  readonly prompt: string;
  readonly store?: boolean;
}

async function drive(origin: string, gateway: RunningGateway, jobs: Job[]): Promise<Rec[]> {
  const sdk = await installClient("aisdk");
  const driver = new URL("ai_sdk_driver.mjs", import.meta.url).pathname;
  const { code, stdout, stderr } = await runProgram("node", {
    args: [driver],
    cwd: sdk,
    env: {},
    stdin: JSON.stringify({ sdk, origin, apiKey: gateway.apiKey, jobs }),
    deadline: 120_000,
  });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

/** Thinks and asks for the weather, then thinks and answers with what the tool said. */
function weather({ body }: RecordedRequest): RawReply {
  const messages = Array.isArray(body.messages) ? body.messages.filter(isRecord) : [];
  const last = messages.at(-1);
  const thought = delta({ reasoning_content: last?.role === "tool" ? "I know." : "I must look." });
  if (last?.role === "tool") {
    const { sky } = JSON.parse(String(last.content)) as { sky: string };
    return whole(body, [role(), thought, text("It is "), text(`${sky}.`), finish("stop"), usage()]);
  }
  return whole(body, [
    role(),
    thought,
    call(0, "", "call_0", "get_weather"),
    call(0, '{"city":'),
    call(0, '"Oslo"}'),
    finish("tool_calls"),
    usage(),
  ]);
}

/** As a stream, or as one body for a client of Chat that wants no stream. */
function whole(body: Rec, chunks: Rec[]): RawReply {
  if (body.stream === true) return stream(...chunks);
  const message: Rec = { role: "assistant", content: "" };
  const args: string[] = [];
  let reason: unknown = null;
  for (const chunk of chunks) {
    const choice = (chunk.choices as Rec[])[0];
    const part = isRecord(choice?.delta) ? choice.delta : {};
    reason = choice?.finish_reason ?? reason;
    if (typeof part.content === "string") message.content += part.content;
    if (part.reasoning_content !== undefined) message.reasoning_content = part.reasoning_content;
    const [one] = (part.tool_calls ?? []) as { id?: string; function: Rec }[];
    if (one === undefined) continue;
    args.push(String(one.function.arguments));
    if (one.id !== undefined) message.tool_calls = [{ id: one.id, type: "function", ...one }];
  }
  const [made] = (message.tool_calls ?? []) as { function: Rec }[];
  if (made !== undefined) made.function = { ...made.function, arguments: args.join("") };
  const { usage: counts } = chunks.at(-1) ?? {};
  const choices = [{ index: 0, message, finish_reason: reason }];
  const body_ = JSON.stringify({
    id: "c",
    object: "chat.completion",
    created: 1,
    choices,
    usage: counts,
  });
  return { status: 200, headers: { "content-type": "application/json" }, steps: [body_] };
}

const PROVIDERS: [string, Partial<Job>][] = [
  ["openai", { store: false }],
  ["open-responses", {}],
  ["openai-compatible", {}],
];

for (const [provider, more] of PROVIDERS) {
  for (const mode of ["stream", "generate"] as const) {
    Deno.test(`@ai-sdk/${provider} ${mode}: two steps with a tool, reasoning and usage`, async () => {
      await using upstream = await startUpstream({ reply: weather });
      await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
      await using tap = startTap(gateway.origin);
      const job = { provider, mode, model: "mock-any", prompt: "How is Oslo?", ...more };
      const [result] = await drive(tap.origin, gateway, [job]);
      assertEquals(result?.error, undefined, JSON.stringify(result));
      assertEquals(result?.text, "It is clear over Oslo.");
      if (mode === "stream") assertEquals(result?.deltas, result?.text);
      assertEquals(result?.ran, [{ city: "Oslo" }]);
      assertEquals(result?.finishReason, "stop");
      assertEquals(result?.tokens, [22, 14]);
      const steps = result?.steps as { finishReason: string; reasoning: string; calls: Rec[] }[];
      assertEquals(steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
      assertEquals(steps.map((step) => step.reasoning), ["I must look.", "I know."]);
      assertEquals(await tap.problems(), []);
      const messages = upstream.requests[1]?.body.messages as Rec[];
      assertEquals(messages.map((message) => message.role), ["user", "assistant", "tool"]);
      assertEquals(messages[1]?.reasoning_content, "I must look.");
      assertEquals(messages[2]?.tool_call_id, "call_0");
    });
  }

  Deno.test(`@ai-sdk/${provider}: a context overflow is an error that is not tried again`, async () => {
    await using upstream = await startUpstream();
    const reply = httpError(400, "This model's maximum context length is 8192 tokens");
    upstream.enqueue(reply, reply);
    await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
    const job = { provider, model: "mock-any", prompt: "hi", ...more };
    const results = await drive(gateway.origin, gateway, [
      { ...job, mode: "stream" },
      { ...job, mode: "generate" },
    ]);
    for (const { error } of results) {
      assert(isRecord(error), JSON.stringify(results));
      assertEquals([error.statusCode, error.isRetryable], [400, false]);
      assertStringIncludes(String(error.message), "maximum context length");
    }
  });
}

Deno.test("@ai-sdk/openai: a tool that does not exist is told to the model, which goes on", async () => {
  await using upstream = await startUpstream();
  upstream.enqueue(
    stream(call(0, '{"a":1}', "call_0", "no_such_tool"), finish("tool_calls"), usage()),
    stream(text("Then without it."), finish("stop"), usage()),
  );
  await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
  const job = { provider: "openai", model: "mock-any", prompt: "hi", store: false } as const;
  const [result] = await drive(gateway.origin, gateway, [{ ...job, mode: "stream" }]);
  assertEquals(result?.error, undefined, JSON.stringify(result));
  assertEquals(result?.text, "Then without it.");
  const messages = upstream.requests[1]?.body.messages as Rec[];
  assertEquals(messages.map((message) => message.role), ["user", "assistant", "tool"]);
  assertStringIncludes(JSON.stringify(messages[1]), "no_such_tool");
});

Deno.test("@ai-sdk/openai with store: its references to items find them", async () => {
  await using upstream = await startUpstream({ reply: weather });
  await using gateway = await startGatewayProcess({ config: scriptedConfig(upstream.baseUrl) });
  const job = { provider: "openai", model: "mock-any", prompt: "How is Oslo?" } as const;
  const [result] = await drive(gateway.origin, gateway, [{ ...job, mode: "stream" }]);
  assertEquals(result?.error, undefined, JSON.stringify(result));
  assertEquals(result?.text, "It is clear over Oslo.");
  assertEquals(upstream.requests.length, 2);
  const messages = upstream.requests[1]?.body.messages as Rec[];
  assertEquals(messages.map((message) => message.role), ["user", "assistant", "tool"]);
  assertEquals(messages[2]?.tool_call_id, "call_0");
});

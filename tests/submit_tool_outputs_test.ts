/** `submit_tool_outputs`: going on from the calls of a stored response; on both stores. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { call, finish, httpError, role, stream, text, usage } from "./support/chat_replies.ts";
import { checkEvents, finalResponse } from "./support/response_invariants.ts";
import { startRedis } from "./support/redis_server.ts";
import type { Rec } from "./support/response_shape.ts";
import { checked, STORE_KINDS, type StoredBench, storedBench } from "./support/stored_bench.ts";
import { parseSseText } from "./support/sse_text.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

const TOOLS = [
  { type: "function", name: "f", description: null, parameters: null, strict: null },
  { type: "custom", name: "patch" },
];

function say(words: string): ReturnType<typeof stream> {
  return stream(role(), text(words), finish("stop"), usage());
}

function calls(...names: string[]): ReturnType<typeof stream> {
  const steps = names.map((name, i) =>
    call(i, name === "patch" ? '{"input":"x"}' : "{}", `call_${i}`, name)
  );
  return stream(role(), ...steps, finish("tool_calls"), usage());
}

function on(criterion: string, test: (bench: StoredBench) => Promise<void>): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`submit_tool_outputs ${criterion} (${kind})`, async () => {
      await using bench = await storedBench(kind, redis);
      await test(bench);
    });
  }
}

/** A response that waits for the outputs of these calls. */
async function waiting(bench: StoredBench, ...names: string[]): Promise<Rec> {
  bench.upstream.enqueue(calls(...names));
  return await bench.create({
    input: "Q",
    tools: TOOLS,
    instructions: "be good",
    tool_choice: "required",
  });
}

function submit(
  bench: StoredBench,
  id: unknown,
  body: Rec,
  headers: Record<string, string> = {},
): Promise<Response> {
  return bench.send(`POST /v1/responses/${id}/submit_tool_outputs`, body, { headers });
}

function output(n: number, text = `out ${n}`): Rec {
  return { tool_call_id: `call_${n}`, output: text };
}

on("goes on, whole and streamed, with what the response had", async (bench) => {
  for (const streamed of [false, true]) {
    const made = await waiting(bench, "f");
    bench.upstream.enqueue(say("done"));
    const body = { tool_outputs: [output(0)], stream: streamed };
    const next = await checked(await submit(bench, made.id, body), streamed);
    assertEquals(next.previous_response_id, made.id);
    assertNotEquals(next.id, made.id);
    assertEquals([next.instructions, next.tool_choice, next.tools], [
      "be good",
      "auto",
      made.tools,
    ]);
    assertEquals(bench.sent(), [
      "system: be good",
      "user: Q",
      "assistant: <call_0>",
      "tool: out 0",
    ]);
    assertEquals((bench.upstream.requests.at(-1)?.body.tools as Rec[])[0]?.type, "function");
  }
});

on("takes call_id, parts, custom calls and several at once in any order", async (bench) => {
  const made = await waiting(bench, "f", "patch");
  bench.upstream.enqueue(say("done"));
  const parts = [{ type: "input_text", text: "one" }, { type: "input_text", text: "two" }];
  const tool_outputs = [{ call_id: "call_1", output: "patched" }, {
    tool_call_id: "call_0",
    output: parts,
  }];
  const next = await checked(await submit(bench, made.id, { tool_outputs }), false);
  assertEquals(bench.sent().slice(2), [
    "assistant: <call_0><call_1>",
    "tool: one\ntwo",
    "tool: patched",
  ]);
  const items = await bench.send(`GET /v1/responses/${next.id}/input_items?order=asc`);
  assertEquals((await items.json()).data.map((item: Rec) => item.type), [
    "function_call_output",
    "custom_tool_call_output",
  ]);
});

on("refuses what does not fit, and asks no model", async (bench) => {
  const made = await waiting(bench, "f", "f");
  bench.upstream.enqueue(say("no calls"), stream(text("half"), finish("length"), usage()));
  const plain = await bench.create({ input: "Q" });
  const half = await bench.create({ input: "Q" });
  const asked = bench.upstream.requests.length;
  const both = [output(0), output(1)];
  const table: [unknown, Rec, string][] = [
    ["resp_none", { tool_outputs: both }, "404 response_not_found"],
    [`resp_${"0".repeat(32)}z`, { tool_outputs: both }, "400 response_not_stored"],
    [plain.id, { tool_outputs: both }, "409 response_not_completed"],
    [half.id, { tool_outputs: both }, "409 response_not_completed"],
    [made.id, { tool_outputs: [...both, output(7)] }, "400 unknown_tool_call"],
    [made.id, { tool_outputs: [...both, output(0)] }, "400 duplicate_tool_output"],
    [made.id, { tool_outputs: [output(0)] }, "400 missing_tool_outputs"],
    [made.id, { tool_outputs: [{ output: "x" }] }, "400 invalid_value"],
    [made.id, { tool_outputs: [{ ...output(0), call_id: "call_1" }] }, "400 invalid_value"],
    [made.id, { tool_outputs: [] }, "400 invalid_value"],
    [made.id, { tool_outputs: "x" }, "400 invalid_type"],
    [made.id, {}, "400 missing_required_parameter"],
    [made.id, { tool_outputs: both, input: "x" }, "400 unknown_parameter"],
  ];
  for (const [id, body, expected] of table) {
    const response = await submit(bench, id, body);
    const { error } = await response.json();
    assertEquals(`${response.status} ${error.code}`, expected);
    if (error.code === "missing_tool_outputs") assertEquals(error.missing, ["call_1"]);
  }
  assertEquals(bench.upstream.requests.length, asked);
});

on("forks without a key and repeats with one, whole and streamed", async (bench) => {
  const made = await waiting(bench, "f");
  bench.upstream.enqueue(say("a"), say("b"), say("c"));
  const body = { tool_outputs: [output(0)] };
  const ids = [];
  for (let n = 0; n < 2; n++) {
    ids.push((await checked(await submit(bench, made.id, body), false)).id);
  }
  assertNotEquals(ids[0], ids[1]);
  const key = { "idempotency-key": "k1" };
  const first = await checked(await submit(bench, made.id, body, key), false);
  const asked = bench.upstream.requests.length;
  const second = await submit(bench, made.id, body, key);
  assertEquals(second.headers.get("x-synth-replayed"), "true");
  assertEquals(await checked(second, false), first);
  const other = await submit(bench, made.id, { tool_outputs: [output(0, "else")] }, key);
  assertEquals([other.status, (await other.json()).error.code], [409, "idempotency_conflict"]);
  assertEquals(bench.upstream.requests.length, asked);
});

on("repeats a stream as events of the same response", async (bench) => {
  const made = await waiting(bench, "f");
  bench.upstream.enqueue(
    stream(
      role(),
      { choices: [{ index: 0, delta: { reasoning_content: "hm" } }] },
      text("I call."),
      call(0, '{"a":1}', "c0", "f"),
      call(1, '{"input":"x y"}', "c1", "patch"),
      finish("tool_calls"),
      usage(),
    ),
  );
  const body = { tool_outputs: [output(0)], stream: true };
  const key = { "idempotency-key": "k" };
  const first = await checked(await submit(bench, made.id, body, key), true);
  assertEquals((first.output as Rec[]).map((item) => item.type), [
    "reasoning",
    "message",
    "function_call",
    "custom_tool_call",
  ]);
  const events = parseSseText(await (await submit(bench, made.id, body, key)).text());
  assertEquals(checkEvents(events), []);
  assertEquals(finalResponse(events), first);
});

on("lets one of two with the same key ask the model", async (bench) => {
  const made = await waiting(bench, "f");
  const asked = bench.upstream.requests.length;
  bench.upstream.enqueue(say("a"));
  const body = { tool_outputs: [output(0)] };
  const key = { "idempotency-key": "k" };
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => submit(bench, made.id, body, key)),
  );
  const seen: string[] = [];
  for (const answer of answers) {
    const { id, error } = await answer.json();
    seen.push(answer.status === 200 ? `200 ${typeof id}` : `${answer.status} ${error.code}`);
  }
  assert(seen.includes("200 string"), seen.join());
  assert(seen.every((one) => one === "200 string" || one === "409 idempotency_in_progress"));
  assertEquals(bench.upstream.requests.length, asked + 1);
});

on("can be tried again with the same key after a failure", async (bench) => {
  const made = await waiting(bench, "f");
  const key = { "idempotency-key": "k" };
  const broken = stream(text("par"), { error: { message: "broken" } });
  for (const streamed of [false, true]) {
    for (const reply of [httpError(400, "no"), broken]) {
      bench.upstream.enqueue(reply);
      const body = { tool_outputs: [output(0)], stream: streamed };
      const response = await submit(bench, made.id, body, key);
      const said = await response.text();
      assert(response.status !== 200 || said.includes("response.failed"), said);
    }
  }
  bench.upstream.enqueue(say("at last"));
  const body = { tool_outputs: [output(0)], stream: true };
  const response = await submit(bench, made.id, body, key);
  const next = await checked(response, true);
  assertEquals([next.status, next.previous_response_id], ["completed", made.id]);
  assertEquals(response.headers.get("x-synth-replayed"), null);
});

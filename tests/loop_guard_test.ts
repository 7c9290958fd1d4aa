/** A model that never stops by itself is made to answer, visibly, in a client's loop. */
import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { configSchema } from "@synth/core/config";
import { call, finish, role, stream, text, usage } from "./support/chat_replies.ts";
import { checkEvents, finalResponse } from "./support/response_invariants.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";

const TOOLS = [{ type: "function", name: "exec_command" }];

/** Plays the client until nothing is called; gives the last response, its headers and the rounds. */
async function play(
  settings: Rec,
  replyFor: (round: number) => ReturnType<typeof stream>,
  outputFor: (round: number) => string,
  /** More members of the model's entry. */
  model: Rec = {},
): Promise<{ rounds: number; last: Rec; headers: Headers; sent: Rec; lines: readonly string[] }> {
  await using upstream = await startUpstream();
  await using it = await startGateway({
    config: configSchema.parse({
      gateway: settings,
      upstreams: { up: { base_url: upstream.baseUrl } },
      models: { "mock-any": { upstream: "up", price: "free", ...model } },
    }),
  });
  const input: Rec[] = [{ role: "user", content: "go" }];
  for (let rounds = 0; rounds < 50; rounds++) {
    upstream.enqueue(replyFor(rounds));
    const response = await it.post("/v1/responses", {
      model: "mock-any",
      input,
      tools: TOOLS,
      tool_choice: "auto",
      stream: true,
      store: false,
    });
    const { headers } = response;
    const events = await eventsOf(response);
    assertEquals(checkEvents(events), []);
    const last = finalResponse(events);
    const output = last.output as Rec[];
    const called = output.filter((item) => item.type === "function_call");
    if (called.length === 0) {
      const sent = upstream.requests.at(-1)!.body;
      return { rounds, last, headers, sent, lines: it.lines };
    }
    input.push(...output);
    for (const { call_id } of called) {
      input.push({ type: "function_call_output", call_id, output: outputFor(rounds) });
    }
  }
  throw new Error("it never ended");
}

function calling(round: number, args = `{"n":${round}}`): ReturnType<typeof stream> {
  return stream(role(), call(0, args, `c${round}`, "exec_command"), finish("tool_calls"), usage());
}

function wordsOf(response: Rec): string {
  return (response.output as Rec[]).flatMap((item) => item.content as Rec[] ?? [])
    .map((part) => part.text).join("");
}

Deno.test("loop guard ends endless calls after max_rounds, with a visible message", async () => {
  const settings = { loop_max_rounds: 7 };
  const { rounds, last, headers, sent, lines } = await play(settings, (n) => calling(n), String);
  assertEquals(rounds, 7);
  assertEquals(last.status, "completed");
  assertStringIncludes(wordsOf(last), "again and again");
  assertEquals(headers.get("x-synth-loop-guard"), "rounds=7;reason=max_rounds");
  assertEquals([sent.tools, sent.tool_choice], [undefined, undefined]);
  assertStringIncludes(String((sent.messages as Rec[])[0]?.content), "The tools are withdrawn");
  assert(lines.some((line) => line.includes('"loop_guard":"max_rounds"')));
});

Deno.test("loop guard ends the same call with the same output, and shows the model's own words", async () => {
  const settings = { loop_max_identical: 3 };
  const { rounds, last, headers } = await play(
    settings,
    (n) => n < 3 ? calling(n, "{}") : stream(text("I give up."), finish("stop"), usage()),
    () => "same",
  );
  assertEquals(rounds, 3);
  assertEquals(wordsOf(last), "I give up.");
  assertEquals(headers.get("x-synth-loop-guard"), "rounds=3;reason=max_identical");
});

Deno.test("loop guard leaves a model that works alone", async () => {
  const { rounds, headers } = await play(
    {},
    (n) => n < 30 ? calling(n) : stream(text("Done."), finish("stop"), usage()),
    String,
  );
  assertEquals([rounds, headers.get("x-synth-loop-guard")], [30, null]);
});

Deno.test("loop guard takes the limits of the model before those of the gateway", async () => {
  const settings = { loop_max_rounds: 7, loop_max_identical: 3 };
  const told = async (model: Rec, outputFor: (round: number) => string) => {
    const { headers } = await play(
      settings,
      (n) => n < 12 ? calling(n, "{}") : stream(text("Done."), finish("stop"), usage()),
      outputFor,
      model,
    );
    return headers.get("x-synth-loop-guard");
  };
  assertEquals(await told({ loop_max_rounds: 2 }, String), "rounds=2;reason=max_rounds");
  assertEquals(await told({ loop_max_rounds: 0 }, String), null);
  assertEquals(await told({ loop_max_rounds: 0 }, () => "same"), "rounds=3;reason=max_identical");
  const identical = { loop_max_identical: 5 };
  assertEquals(await told(identical, () => "same"), "rounds=5;reason=max_identical");
  assertEquals(await told({ loop_max_identical: 0 }, () => "same"), "rounds=7;reason=max_rounds");
  assertThrows(() => configSchema.parse({ models: { m: { upstream: "u", loop_max_rounds: -1 } } }));
});

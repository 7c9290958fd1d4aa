import { assertEquals, assertLess } from "@std/assert";
import { parseResponsesRequest } from "@synth/core/api";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { planTurn } from "./plan_turn.ts";

function bestOf(count: number): number {
  const input = Array.from({ length: count / 5 }, (_, n) => [
    { role: "user", content: [{ type: "input_text", text: `question ${n}` }] },
    { type: "reasoning", summary: [], content: [{ type: "reasoning_text", text: "thinking" }] },
    { type: "function_call", call_id: `c${n % 100}`, name: "f", arguments: `{"n":${n}}` },
    { role: "developer", content: "between" },
    { type: "function_call_output", call_id: `c${n % 100}`, output: `answer ${n}` },
  ]).flat();
  const body = parseResponsesRequest({ model: "m", input }, { items: count });
  let best = Infinity;
  for (let round = 0; round < 5; round++) {
    const start = performance.now();
    const plan = planTurn(body, {
      profile: GENERIC,
      upstreamModel: "up",
      client: { kind: "other", refusalAsText: false },
      stopTool: "offer",
      sealer: null,
      org: "org",
    });
    best = Math.min(best, performance.now() - start);
    assertEquals(plan.chat.messages.length, (count / 5) * 4);
  }
  return best;
}

Deno.test("planTurn translates 10,000 items well under 100 ms", () => {
  assertLess(bestOf(10_000), 100);
});

Deno.test("planTurn is linear in the history", () => {
  // Four times the items in four times the time; a quadratic step would take sixteen.
  const small = bestOf(10_000);
  assertLess(bestOf(40_000) / small, 12);
});

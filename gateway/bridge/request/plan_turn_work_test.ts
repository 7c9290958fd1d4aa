import { assert, assertEquals } from "@std/assert";
import type { InputItem } from "@synth/core/api";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import { planTurn } from "./plan_turn.ts";

/** Members of items that are read to plan a turn over this many items. */
function readsFor(count: number): number {
  let reads = 0;
  const counting = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, key): unknown {
        reads++;
        return Reflect.get(of, key);
      },
    });
  const input = Array.from({ length: count / 5 }, (_, n): InputItem[] => [
    { role: "user", content: [{ type: "input_text", text: `question ${n}` }] },
    { type: "reasoning", summary: [], content: [{ text: "thinking" }] },
    // A hundred ids for all calls, none answered in time: the hardest case for who looks for the other half.
    { type: "function_call", call_id: `c${n % 100}`, name: "f", arguments: `{"n":${n}}` },
    { role: "developer", content: "between" },
    { type: "function_call_output", call_id: `c${n % 100}`, output: `answer ${n}` },
  ]).flat();
  const plan = planTurn({ model: "m", input: counting(input.map(counting)) }, {
    profile: GENERIC,
    upstreamModel: "up",
    client: { kind: "other", refusalAsText: false },
    stopTool: "offer",
    sealer: null,
    org: "org",
  });
  assertEquals(plan.chat.messages.length, (count / 5) * 4);
  return reads;
}

Deno.test("planTurn reads each item a bounded number of times, however long the history", () => {
  const reads = readsFor(1000);
  assert(reads < 1000 * 40, `${reads} reads of 1000 items`);
  for (const times of [4, 16]) {
    const more = readsFor(1000 * times);
    assert(more <= reads * times * 1.1, `${more} reads of ${times},000 items, ${reads} of 1000`);
  }
});

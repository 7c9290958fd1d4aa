import { assert, assertEquals } from "@std/assert";
import type { InputItem, ResponsesRequest } from "@synth/core/api";
import fc from "fast-check";
import { historyFaults } from "../../../tests/support/chat_history_validator.ts";
import { call, messagesOf, output, user } from "../testing/plan.ts";
import { withoutOldestTurns } from "./oldest_turns.ts";

function left(...input: unknown[]): unknown {
  const result = withoutOldestTurns({ model: "m", input: input as InputItem[] });
  return result === null ? null : [result.body.input, result.dropped];
}

const system = { role: "developer", content: "be good" };
const assistant = { role: "assistant", content: "yes" };
const summary = { type: "compaction", encrypted_content: "x" };
const tools = { type: "additional_tools", tools: [] };

Deno.test("withoutOldestTurns drops the older half, whole turns only", () => {
  const turn = [user("a"), call("1"), output("1", "x"), assistant];
  assertEquals(left(system, ...turn, user("b"), assistant), [[system, user("b"), assistant], 4]);
  assertEquals(left(user("a"), assistant, user("b"), assistant, user("c")), [[user("c")], 4]);
  assertEquals(left(user("a"), user("b"), assistant, user("c")), [[user("c")], 3]);
});

Deno.test("withoutOldestTurns keeps what holds for the whole conversation", () => {
  assertEquals(left(tools, summary, user("a"), assistant, system, user("b")), [
    [tools, summary, system, user("b")],
    2,
  ]);
});

Deno.test("withoutOldestTurns leaves the last turn alone", () => {
  assertEquals(left(system, user("a"), call("1"), output("1", "x")), null);
  assertEquals(left(user("a"), user("b")), null);
  assertEquals(left(), null);
  assertEquals(withoutOldestTurns({ model: "m", input: "text" }), null);
  assertEquals(withoutOldestTurns({ model: "m" }), null);
});

Deno.test("withoutOldestTurns ends after few steps, with a valid history at each", () => {
  const item = fc.constantFrom<unknown>(
    ...[user("a"), assistant, system, summary, call("1"), output("1", "x"), call("2")],
    ...[output("2", "y"), tools],
  );
  fc.assert(fc.property(fc.array(item, { maxLength: 60 }), (input) => {
    let body: ResponsesRequest = { model: "m", input: input as InputItem[] };
    const last = input.findLastIndex((one) => (one as { role?: unknown }).role === "user");
    for (let steps = 0;; steps++) {
      assert(steps <= 6);
      const next = withoutOldestTurns(body);
      if (next === null) break;
      assert(next.dropped > 0);
      body = next.body;
      assertEquals(historyFaults(messagesOf(body.input as unknown[])), []);
    }
    const items = body.input as unknown[];
    assertEquals(
      items.slice(items.length - (input.length - Math.max(last, 0))),
      input.slice(Math.max(last, 0)),
    );
  }));
});

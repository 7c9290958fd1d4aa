/** What an answer may have too much of, and of which type nothing can be made. @module */
import { assertEquals } from "@std/assert";
import type { Json } from "@synth/core";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import { call, calls, delta, finish, makePlan, runTurn } from "../testing/turn.ts";

function manyCalls(count: number, name: string): Json[] {
  const chunks: Json[] = [];
  for (let n = 0; n < count; n++) chunks.push(calls(call(n, `c${n}`, name, "{}")));
  return [...chunks, finish("tool_calls")];
}

Deno.test("ResponseMachine passes on every call of an answer, up to 4096", () => {
  for (const name of ["f", "undeclared"]) {
    const { events, response } = runTurn(makePlan(["f"]), manyCalls(4096, name));
    assertEquals(response.status, "completed");
    assertEquals(response.output.length, 4096);
    assertEquals(checkEvents(events), []);
  }
});

Deno.test("ResponseMachine fails a turn with more calls than it can pass on", () => {
  // The name "f" is settled at once, "undeclared" only at the end.
  for (const name of ["f", "undeclared"]) {
    const { events, response } = runTurn(makePlan(["f"]), manyCalls(4097, name));
    assertEquals(response.status, "failed");
    assertEquals(response.error, {
      code: "server_error",
      message: "The model made more than 4096 calls in one answer",
    });
    assertEquals(checkEvents(events), []);
  }
});

Deno.test("ResponseMachine fails a turn whose usable call comes behind more than it looks at", () => {
  const noise = manyCalls(8192, "nobody").slice(0, -1);
  const chunks = [...noise, calls(call(8192, "x", "f", "{}")), finish("tool_calls")];
  const { response } = runTurn(makePlan(["f"]), chunks);
  assertEquals(response.status, "failed");
});

Deno.test("ResponseMachine drops further calls without a word where only one was asked for", () => {
  const plan = makePlan(["f"], { parallelToolCalls: false });
  const { response, result } = runTurn(plan, manyCalls(5000, "f"));
  assertEquals([response.status, response.output.length], ["completed", 1]);
  assertEquals(result.suppressedCalls, 4999);
});

Deno.test("ResponseMachine makes text of numbers and booleans", () => {
  const cases: [Json, string][] = [
    [42, "42"],
    [0, "0"],
    [true, "true"],
    [[1, { type: "text", text: 2 }, "3"], "123"],
    [{ type: "text", text: "x" }, "x"],
  ];
  for (const [content, text] of cases) {
    const { response } = runTurn(makePlan(), [delta({ content }), finish("stop")]);
    const [item] = response.output;
    const [part] = item?.type === "message" ? item.content : [];
    assertEquals(part?.type === "output_text" && part.text, text);
  }
});

Deno.test("ResponseMachine takes a tool's numeric name as its name", () => {
  const chunk = calls({ index: 0, id: "a", function: { name: 42, arguments: "{}" } });
  const { response } = runTurn(makePlan(["42"]), [chunk, finish("tool_calls")]);
  const [item] = response.output;
  assertEquals(item?.type === "function_call" && item.name, "42");
});

Deno.test("ResponseMachine fails a turn whose content cannot be read, unless it says something else", () => {
  const unreadable: Json[] = [{}, [{}], [[]], { type: "image" }, { text: {} }];
  for (const content of unreadable) {
    const { events, response } = runTurn(makePlan(["f"]), [delta({ content }), finish("stop")]);
    assertEquals(response.error, {
      code: "server_error",
      message: "The upstream's answer could not be read",
    });
    assertEquals(checkEvents(events), []);
    const others = [delta({ content: "x" }), calls(call(0, "a", "f", "{}"))];
    for (const other of others) {
      const turn = runTurn(makePlan(["f"]), [delta({ content }), other, finish("stop")]);
      assertEquals(turn.response.status, "completed");
    }
  }
  const empty: Json[] = ["", null, [], [""], [{ type: "text", text: "" }]];
  for (const content of empty) {
    const { response } = runTurn(makePlan(), [delta({ content }), finish("stop")]);
    assertEquals(response.status, "completed");
  }
});

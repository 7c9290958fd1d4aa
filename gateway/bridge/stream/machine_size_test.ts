/** Large turns stay linear: a quadratic step would take minutes here, not a second. @module */
import { assert, assertEquals } from "@std/assert";
import { checkEvents } from "../../../tests/support/response_invariants.ts";
import { EventWriter } from "../event_writer.ts";
import {
  args,
  call,
  calls,
  delta,
  finish,
  makeMachine,
  makePlan,
  runTurn,
} from "../testing/turn.ts";

const PLAN = makePlan(["f", "g", { upstreamName: "patch", kind: "custom" }]);
const PIECES = 100_000;
const PIECE = "a piece of text that is a hundred bytes long ".repeat(2) + "..........";

Deno.test("ResponseMachine takes ten megabytes of text in small pieces", () => {
  const writer = new EventWriter();
  const machine = makeMachine(PLAN, writer);
  let bytes = 0;
  for (let n = 0; n < PIECES; n++) {
    machine.chunk(delta({ content: PIECE }));
    if (n % 10 === 0) bytes += writer.flush()?.length ?? 0;
  }
  const response = machine.finish({ reason: "done", now: 1 });
  bytes += writer.flush()?.length ?? 0;
  const [item] = response.output;
  assert(item?.type === "message");
  const [part] = item.content;
  assert(part?.type === "output_text");
  assertEquals(part.text.length, PIECES * PIECE.length);
  assertEquals(machine.outputBytes, PIECES * PIECE.length);
  assert(bytes > 5 * PIECES * PIECE.length);
});

Deno.test("ResponseMachine takes ten megabytes of arguments, interleaved", () => {
  for (const name of ["f", "patch"]) {
    const machine = makeMachine(PLAN, new EventWriter());
    machine.chunk(calls(call(0, "a", name, '{"input":"')));
    machine.chunk(calls(call(1, "b", "g", '{"input":"')));
    for (let n = 0; n < PIECES / 2; n++) {
      machine.chunk(args(0, PIECE));
      machine.chunk(args(1, PIECE));
    }
    machine.chunk(args(0, '"}'));
    machine.chunk(args(1, '"}'));
    const response = machine.finish({ reason: "done", now: 1 });
    const lengths = response.output.map((item) => {
      if (item.type === "custom_tool_call") return item.input.length;
      return item.type === "function_call" ? item.arguments.length : 0;
    });
    const whole = (PIECES / 2) * PIECE.length;
    assertEquals(lengths, [name === "patch" ? whole : whole + 12, whole + 12]);
  }
});

Deno.test("ResponseMachine takes text and calls by the hundred thousand in turns", () => {
  const chunks = [calls(call(0, "a", "f", '{"x":'))];
  for (let n = 1; n < PIECES; n++) {
    chunks.push(delta(n % 2 === 0 ? { content: "x" } : { reasoning: "y" }));
    if (n % 3 === 0) chunks.push(calls(call(n, "", n % 2 === 0 ? "" : "nobody", "{")));
    // Behind the 8192nd call a usable one would fail the turn.
    if (n % 1000 === 0 && n < 20_000) chunks.push(calls(call(n, "", "f", "{}")));
  }
  const { events, response } = runTurn(PLAN, [...chunks, finish("stop")]);
  assertEquals(response.status, "completed");
  assert(response.output.some((item) => item.type === "function_call"));
  assertEquals(checkEvents(events), []);
});

Deno.test("ResponseMachine takes names, ids and white space without end", () => {
  const plan = { ...PLAN, thinkTags: true };
  const machine = makeMachine(plan, new EventWriter());
  for (let n = 0; n < PIECES; n++) {
    machine.chunk(delta({ content: " " }));
    machine.chunk(calls({ index: 0, id: "i".repeat(n % 300), function: { name: PIECE } }));
  }
  const response = machine.finish({ reason: "done", now: 1 });
  assert(response.output.every((item) => item.type === "message"));
});

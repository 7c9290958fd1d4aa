import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Json } from "@synth/core";
import { escapeLineSeparators, SseParser } from "@synth/core/sse";
import fc from "fast-check";
import type { DeltaEvent } from "./events.ts";
import { EventWriter } from "./event_writer.ts";
import { CollectingSink, type DeltaChannel, deltaEvent } from "./stream/sink.ts";
import { delta, finish, makeMachine, makePlan, usage } from "./testing/turn.ts";

function text(writer: EventWriter): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(writer.flush() ?? new Uint8Array());
}

Deno.test("EventWriter.delta writes the bytes that JSON.stringify of the event gives", () => {
  const types: [DeltaEvent["type"], DeltaChannel["partIndexName"]][] = [
    ["response.output_text.delta", "content_index"],
    ["response.refusal.delta", "content_index"],
    ["response.reasoning_text.delta", "content_index"],
    ["response.reasoning_summary_text.delta", "summary_index"],
    ["response.function_call_arguments.delta", null],
    ["response.custom_tool_call_input.delta", null],
  ];
  const write = fc.record({
    kind: fc.constantFrom(...types),
    itemId: fc.string({ unit: "binary" }),
    outputIndex: fc.nat(),
    partIndex: fc.nat(),
    sequence: fc.nat(),
    deltas: fc.array(fc.string({ unit: "binary" }), { maxLength: 3 }),
    logprobs: fc.array(fc.json().map((json) => JSON.parse(json) as Json), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.array(write, { maxLength: 4 }), (writes) => {
      const writer = new EventWriter();
      let expected = "";
      for (const one of writes) {
        const [type, partIndexName] = one.kind;
        const channel = { ...one, type, partIndexName };
        const logprobs = type === "response.output_text.delta" ? one.logprobs : [];
        for (const piece of one.deltas) {
          writer.delta(channel, one.sequence, piece, logprobs);
          const event = deltaEvent(channel, one.sequence, piece, logprobs);
          expected += `event: ${type}\ndata: ${escapeLineSeparators(JSON.stringify(event))}\n\n`;
        }
      }
      assertEquals(text(writer), expected.toWellFormed());
    }),
    { numRuns: 300 },
  );
});

Deno.test("EventWriter.event writes the bytes that JSON.stringify of the event gives, then [DONE]", () => {
  const plan = makePlan([], {
    reasoning: { as: "summary", seal: true },
    echo: { ...makePlan().echo, tools: [{ type: "function", name: "f\u2028\r\n" }] },
  });
  const sink = new CollectingSink();
  const writer = new EventWriter();
  for (const target of [sink, writer]) {
    const machine = makeMachine(plan, target);
    machine.start();
    machine.keepalive();
    machine.chunk(delta({ reasoning_content: "a", content: "b\r\n\u2028", refusal: "c" }));
    machine.chunk(delta({ tool_calls: [{ index: 0, function: { name: "f", arguments: "{}" } }] }));
    machine.chunk(usage());
    machine.chunk(finish("stop"));
    machine.finish({ reason: "done", now: 1 });
  }
  const frames = sink.events.map((event) =>
    `event: ${event.type}\ndata: ${escapeLineSeparators(JSON.stringify(event))}\n\n`
  );
  assertEquals(text(writer), frames.join("") + "data: [DONE]\n\n");
});

Deno.test("EventWriter writes [DONE] after an incomplete and a failed response, too", () => {
  for (const reason of ["cut", "idle"] as const) {
    const writer = new EventWriter();
    makeMachine(makePlan(), writer).finish({ reason, now: 1 });
    const written = text(writer);
    assert(written.endsWith("\n\ndata: [DONE]\n\n"));
    assertEquals(written.split("[DONE]").length, 2);
  }
});

Deno.test("EventWriter.flush gives all events since the last one in one piece, each of them whole", () => {
  const writer = new EventWriter();
  assertEquals(writer.flush(), null);
  assertEquals(writer.hasPending, false);
  const machine = makeMachine(makePlan(), writer);
  machine.start();
  machine.chunk(delta({ content: "🙂\n\ndata: x" }));
  assert(writer.hasPending);
  const first = writer.flush();
  assertEquals(writer.flush(), null);
  machine.chunk(delta({ content: "b" }));
  const second = writer.flush();
  assert(first !== null && second !== null);
  const types: string[] = [];
  const parser = new SseParser({
    onEvent(data, event) {
      assertEquals(JSON.parse(data).type, event);
      types.push(event);
    },
  });
  parser.push(first);
  assertEquals(types.length, 5);
  parser.push(second);
  assertEquals(types.length, 6);
  assert(types.every((type) => type.startsWith("response.")));
});

Deno.test("EventWriter.flush never changes bytes that it gave, and survives the loss of their buffer", () => {
  const writer = new EventWriter();
  const machine = makeMachine(makePlan(), writer);
  const decoder = new TextDecoder();
  const given: [Uint8Array, string][] = [];
  for (let n = 0; n < 500; n++) {
    machine.chunk(delta({ content: n % 100 === 99 ? "é🙂".repeat(10_000) : `é🙂${n}` }));
    const bytes = writer.flush();
    assert(bytes !== null);
    given.push([bytes, decoder.decode(bytes)]);
  }
  for (const [bytes, before] of given) assertEquals(decoder.decode(bytes), before);
  for (let n = 0; n < 10; n++) {
    machine.chunk(delta({ content: "taken" }));
    const bytes = writer.flush();
    assert(bytes !== null);
    assertMatch(decoder.decode(structuredClone(bytes, { transfer: [bytes.buffer] })), /"taken"/);
  }
});

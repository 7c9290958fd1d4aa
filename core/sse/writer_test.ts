import { assertEquals, assertFalse, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "../errors.ts";
import { SseParser } from "./parser.ts";
import { encodeSseComment, encodeSseData, encodeSseEvent, SseWriter } from "./writer.ts";

function parse(text: string): [string, string][] {
  const events: [string, string][] = [];
  const parser = new SseParser({ onEvent: (data, event) => events.push([event, data]) });
  parser.push(new TextEncoder().encode(text));
  parser.end();
  return events;
}

Deno.test("encodeSseEvent writes the frame", () => {
  assertEquals(
    encodeSseEvent("response.created", { type: "response.created", n: 1 }),
    'event: response.created\ndata: {"type":"response.created","n":1}\n\n',
  );
});

Deno.test("encodeSseEvent gives what the parser reads, for any JSON", () => {
  const hostile = fc.stringMatching(/^[\n\r\u2028\u2029\u0085:a \v\f\0]{0,12}$/);
  const value = fc.oneof(
    fc.jsonValue(),
    hostile,
    fc.record({ delta: hostile }),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(fc.stringMatching(/^[A-Za-z0-9_.:-]{1,20}$/), value, (type, data) => {
      const text = encodeSseEvent(type, data);
      assertEquals(text.split(/[\n\r\v\f\u0085\u2028\u2029]/).length, 4);
      const events = parse(text + encodeSseData(data));
      assertEquals(events.map(([event]) => event), [type, "message"]);
      for (const [, json] of events) {
        assertEquals(JSON.parse(json), JSON.parse(JSON.stringify(data)));
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("encodeSseEvent refuses a type that leaves its line", () => {
  for (const type of ["", "a\nb", "a\rb", "a\u2028b", "a b", "é", "x\n", "a".repeat(129)]) {
    const error = assertThrows(() => encodeSseEvent(type, {}), SynthError);
    assertEquals(error.code, "sse_type_invalid");
  }
});

Deno.test("encodeSseEvent refuses what is not JSON", () => {
  assertEquals(assertThrows(() => encodeSseData(undefined), SynthError).code, "sse_data_invalid");
});

Deno.test("encodeSseComment cannot carry an event", () => {
  const text = encodeSseComment("x\n\ndata: 1\r\rdata: 2\u2028");
  assertEquals(parse(text), []);
  assertEquals(text, ": x  data: 1  data: 2 \n\n");
});

Deno.test("SseWriter gives all events since the last take as one chunk", () => {
  const writer = new SseWriter();
  assertEquals(writer.take(), null);
  writer.event("a", { n: 1 });
  writer.data({ n: 2 });
  writer.comment("alive");
  writer.done();
  const bytes = writer.take();
  assertEquals(
    new TextDecoder().decode(bytes ?? new Uint8Array()),
    'event: a\ndata: {"n":1}\n\ndata: {"n":2}\n\n: alive\n\ndata: [DONE]\n\n',
  );
  assertEquals(writer.take(), null);
  assertFalse(bytes === null);
});

/**
 * CPU of the stream side of the bridge: 200 chunks of text to Responses events, beside reading the same chunks only.
 *
 *     deno bench -A bench/bridge_stream_bench.ts
 *
 * "Paced" writes after every chunk, "burst" once for all. One iteration is one stream; divide by 200 for a chunk.
 *
 * @module
 */
import { joinBytes, newId } from "@synth/core";
import { SseParser } from "@synth/core/sse";
import { EventWriter } from "../gateway/bridge/event_writer.ts";
import type { EventSink } from "../gateway/bridge/stream/sink.ts";
import { NullSink } from "../gateway/bridge/stream/sink.ts";
import { ResponseMachine } from "../gateway/bridge/stream/machine.ts";
import { makePlan } from "../gateway/bridge/testing/turn.ts";

const CHUNKS = 200;
const encoder = new TextEncoder();
const plan = makePlan(["f"]);
const texts = frames((n) => ({ content: ` word${n}` }));
const calls = frames((n) => ({
  tool_calls: [
    n === 0
      ? { index: 0, id: "call_a", type: "function", function: { name: "f", arguments: "" } }
      : {
        index: 0,
        function: { arguments: n === 1 ? '{"x":"' : n === CHUNKS - 1 ? '"}' : " word" },
      },
  ],
}));

function frames(delta: (n: number) => unknown): Uint8Array[] {
  const list: Uint8Array[] = [];
  const head = {
    id: "chatcmpl-0123456789",
    object: "chat.completion.chunk",
    created: 1_750_000_000,
    model: "upstream-model",
  };
  for (let n = 0; n < CHUNKS; n++) {
    const choices = [{ index: 0, delta: delta(n), logprobs: null, finish_reason: null }];
    list.push(encoder.encode(`data: ${JSON.stringify({ ...head, choices })}\n\n`));
  }
  const choices = [{ index: 0, delta: {}, finish_reason: "stop" }];
  const usage = { prompt_tokens: 1, completion_tokens: 200, total_tokens: 201 };
  list.push(encoder.encode(`data: ${JSON.stringify({ ...head, choices, usage })}\n\n`));
  list.push(encoder.encode("data: [DONE]\n\n"));
  return list;
}

let written = 0;

function write(bytes: Uint8Array | null): void {
  written += bytes?.length ?? 0;
}

function machineFor(sink: EventSink): ResponseMachine {
  return new ResponseMachine(plan, {
    responseId: newId("resp_"),
    createdAt: 1,
    newId,
    seal: () => "",
    sink,
  });
}

function translate(pieces: readonly Uint8Array[]): void {
  const writer = new EventWriter();
  const machine = machineFor(writer);
  const parser = new SseParser({
    onEvent(data) {
      if (data !== "[DONE]") machine.chunk(JSON.parse(data));
    },
  });
  machine.start();
  for (const piece of pieces) {
    parser.push(piece);
    write(writer.flush());
  }
  machine.finish({ reason: "done", now: 1 });
  write(writer.flush());
}

function unary(pieces: readonly Uint8Array[]): void {
  const machine = machineFor(new NullSink());
  const parser = new SseParser({
    onEvent(data) {
      if (data !== "[DONE]") machine.chunk(JSON.parse(data));
    },
  });
  for (const piece of pieces) parser.push(piece);
  write(encoder.encode(JSON.stringify(machine.finish({ reason: "done", now: 1 }))));
}

function parseOnly(pieces: readonly Uint8Array[]): void {
  const parser = new SseParser({
    onEvent(data) {
      if (data !== "[DONE]") written += JSON.parse(data).created & 1;
    },
  });
  for (const piece of pieces) parser.push(piece);
}

function split(pieces: readonly Uint8Array[]): void {
  const parser = new SseParser({ onEvent: (data) => void (written += data.length & 1) });
  for (const piece of pieces) parser.push(piece);
}

function pass(pieces: readonly Uint8Array[]): void {
  for (const piece of pieces) write(piece.slice());
}

for (const [name, pieces] of [["paced", texts], ["burst", [joinBytes(texts)]]] as const) {
  const group = `text, ${name}`;
  Deno.bench("pass the bytes", { group, baseline: true }, () => pass(pieces));
  Deno.bench("split into events", { group }, () => split(pieces));
  Deno.bench("split and JSON.parse", { group }, () => parseOnly(pieces));
  Deno.bench("translate", { group }, () => translate(pieces));
  Deno.bench("translate to one object", { group }, () => unary(pieces));
}
Deno.bench("translate", { group: "arguments, paced" }, () => translate(calls));
Deno.bench("split and JSON.parse", { group: "arguments, paced", baseline: true }, () => {
  parseOnly(calls);
});

/** The reader of event streams against one that is slow and obvious; the writer against the reader. @module */
import fc from "fast-check";
import { encodeSseEvent, SseParser } from "@synth/core/sse";
import { nastyText } from "./nasty.ts";
import type { Target } from "./target.ts";

/** Bytes as Latin-1, and where the pieces end. */
interface Input {
  readonly bytes: string;
  readonly cuts: readonly number[];
}

type Event = [type: string, data: string];

const line = fc.oneof(
  fc.tuple(
    fc.constantFrom("data", "event", "id", "retry", "", "dat", " data", "\uFEFFdata"),
    fc.constantFrom(":", ": ", "", ":  ", " :"),
    nastyText,
  ).map((parts) => parts.join("")),
  nastyText,
);
const text = fc.array(
  fc.tuple(line, fc.constantFrom("\n", "\r", "\r\n", "\n\n", "\r\r", "\r\n\r\n", "")),
  { maxLength: 12 },
).map((lines) => lines.flat().join(""));

/** Opens it. */
export function openSse(): Promise<Target<Input>> {
  const inputs = fc.record({
    bytes: fc.oneof(
      { weight: 5, arbitrary: text.map((value) => latin1(new TextEncoder().encode(value))) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 60 }).map(latin1) },
    ),
    cuts: fc.array(fc.nat(80), { maxLength: 6 }),
  });
  return Promise.resolve({ name: "sse", inputs, check, close: () => Promise.resolve() });
}

function check({ bytes, cuts }: Input): Promise<void> {
  const all = Uint8Array.from(bytes, (unit) => unit.charCodeAt(0));
  const ends = [...new Set(cuts.map((cut) => cut % (all.length + 1)))].sort((a, b) => a - b);
  const events: Event[] = [];
  const parser = new SseParser({ onEvent: (data, type) => events.push([type, data]) });
  let start = 0;
  for (const end of [...ends, all.length]) {
    parser.push(all.slice(start, end));
    start = end;
  }
  parser.end();
  same(events, reference(new TextDecoder("utf-8", { ignoreBOM: true }).decode(all)));
  // What was read can be written and is read again.
  const again: Event[] = [];
  const second = new SseParser({ onEvent: (data, type) => again.push([type, data]) });
  second.push(
    new TextEncoder().encode(events.map(([, data]) => encodeSseEvent("x", data)).join("")),
  );
  same(again.map(([, data]) => JSON.parse(data)), events.map(([, data]) => data));
  return Promise.resolve();
}

/** The WHATWG algorithm as it is written, but for the last event, which needs no blank line here. */
function reference(whole: string): Event[] {
  const events: Event[] = [];
  let data: string[] = [];
  let type = "";
  const lines = whole.replace(/^\uFEFF/, "").split(/\r\n|\n|\r/);
  const dispatch = (): void => {
    if (data.length > 0) events.push([type === "" ? "message" : type, data.join("\n")]);
    data = [];
    type = "";
  };
  for (const one of lines) {
    if (one === "") {
      dispatch();
      continue;
    }
    const colon = one.indexOf(":");
    const name = colon < 0 ? one : one.slice(0, colon);
    const rest = colon < 0 ? "" : one.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (name === "data") data.push(value);
    if (name === "event") type = value;
  }
  dispatch();
  return events;
}

function same(actual: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

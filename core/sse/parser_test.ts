import { assert, assertEquals, assertLess, assertThrows } from "@std/assert";
import fc from "fast-check";
import { SynthError } from "../errors.ts";
import { SseParser, type SseParserOptions } from "./parser.ts";

interface Seen {
  events: [data: string, event: string][];
  comments: string[];
  id: string;
  retry: number | undefined;
}

function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function parse(
  pieces: Iterable<Uint8Array>,
  options: Partial<SseParserOptions> = {},
  end = true,
): Seen {
  const events: [string, string][] = [];
  const comments: string[] = [];
  const parser = new SseParser({
    ...options,
    onEvent: (data, event) => events.push([data, event]),
    onComment: (text) => comments.push(text),
  });
  for (const piece of pieces) {
    // The buffer is used again, as a BYOB reader does: what the parser keeps must be its own.
    const lent = piece.slice();
    parser.push(lent);
    lent.fill(0x58);
  }
  if (end) parser.end();
  return { events, comments, id: parser.lastEventId, retry: parser.retryMs };
}

function* oneByOne(bytes: Uint8Array): Generator<Uint8Array> {
  for (let i = 0; i < bytes.length; i++) yield bytes.subarray(i, i + 1);
}

interface Vector {
  name: string;
  input: string;
  events: [data: string, event: string][];
  comments?: string[];
  id?: string;
  retry?: number;
}

/** The cases of the web platform's eventsource/format-* tests, in our own words. */
const VECTORS: Vector[] = [
  { name: "one event", input: "data: a\n\n", events: [["a", "message"]] },
  { name: "nothing", input: "", events: [] },
  { name: "blank lines only", input: "\n\r\n\r\r\n\n", events: [] },
  {
    name: "a BOM at the start is skipped",
    input: "\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n",
    events: [["1", "message"], ["3", "message"]],
  },
  {
    name: "only the first of two BOMs is skipped",
    input: "\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n",
    events: [["2", "message"], ["3", "message"]],
  },
  {
    name: "a BOM inside data stays",
    input: "data:\uFEFFx\n\n",
    events: [["\uFEFFx", "message"]],
  },
  {
    name: "comments",
    input: "data:1\n:\0\n:\r\ndata:2\n:" + "x".repeat(2048) +
      "\rdata:3\n:data:fail\r:yes\ndata:4\n\n",
    events: [["1\n2\n3\n4", "message"]],
    comments: ["\0", "", "x".repeat(2048), "data:fail", "yes"],
  },
  {
    name: "an event cut off by the end is given",
    input: "retry:1000\ndata:test1\n\nid:test\ndata:test2",
    events: [["test1", "message"], ["test2", "message"]],
    id: "test",
    retry: 1000,
  },
  {
    name: "an event with its lines complete but no blank line is given",
    input: "event: x\ndata: 1\n",
    events: [["1", "x"]],
  },
  {
    name: "empty data fields",
    input: "data:\n\ndata\ndata\n\ndata:test\n\n",
    events: [["", "message"], ["\n", "message"], ["test", "message"]],
  },
  {
    name: "event types hold for one event",
    input: "event:test\ndata:x\n\ndata:x\n\n",
    events: [["x", "test"], ["x", "message"]],
  },
  {
    name: "an empty type is message",
    input: "event: \ndata:data\n\nevent\ndata:2\n\n",
    events: [["data", "message"], ["2", "message"]],
  },
  {
    name: "the last type counts, and one without data gives nothing",
    input: "event:a\nevent:b\ndata:1\n\nevent:lost\n\ndata:2\n\n",
    events: [["1", "b"], ["2", "message"]],
  },
  { name: "id", input: "id:…\ndata:1\n\n", events: [["1", "message"]], id: "…" },
  {
    name: "an id with NUL is ignored",
    input: "id:ok\nid:a\0b\ndata:1\n\n",
    events: [["1", "message"]],
    id: "ok",
  },
  {
    name: "an id stays, also without data",
    input: "id:7\n\nid\n:c\n\ndata:1\n\nid:8\n\n",
    events: [["1", "message"]],
    id: "8",
    comments: ["c"],
  },
  {
    name: "field names are exact",
    input:
      "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    events: [["\0\n 2\n1\n3\n\n4", "message"]],
  },
  {
    name: "retry",
    input: "retry:03000\ndata:x\n\n",
    events: [["x", "message"]],
    retry: 3000,
  },
  {
    name: "bogus retries are ignored",
    input: "retry:3000\nretry:1000x\nretry:\nretry\nretry:-1\nretry: 5 \nretry:1e3\ndata:x\n\n",
    events: [["x", "message"]],
    retry: 3000,
  },
  {
    name: "unknown fields",
    input:
      "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndatax: 1\neventx: y\nidx: 1\ndata:test\n\n",
    events: [["test\n\ntest", "message"]],
    comments: ["thisisacommentyay"],
  },
  {
    name: "one leading space is taken, a tab is not",
    input: "data:\ttest\rdata: \ndata:  test\n\n",
    events: [["\ttest\n\n test", "message"]],
  },
  {
    name: "all line ends",
    input:
      "data:test\r\ndata\ndata:test\r\n\rdata:2\r\rdata:3\r\n\r\ndata:4\n\ndata:5\n\rdata:6\r\n\n",
    events: [["test\n\ntest", "message"], ["2", "message"], ["3", "message"], ["4", "message"], [
      "5",
      "message",
    ], ["6", "message"]],
  },
  { name: "NUL in data", input: "data:\0\n\n\n\n", events: [["\0", "message"]] },
  {
    name: "UTF-8 of one to four bytes",
    input: "event: ж\ndata:ok…€😀é\n\n",
    events: [["ok…€😀é", "ж"]],
  },
  {
    name: "odd line ends are not line ends",
    input: "data:a\u2028b\u0085c\vd\n\n",
    events: [["a\u2028b\u0085c\vd", "message"]],
  },
  { name: "a colon in the value", input: "data: a: b:c\n\n", events: [["a: b:c", "message"]] },
];

for (const vector of VECTORS) {
  Deno.test(`SseParser ${vector.name}`, () => {
    const expected: Seen = {
      events: vector.events,
      comments: vector.comments ?? [],
      id: vector.id ?? "",
      retry: vector.retry,
    };
    const bytes = bytesOf(vector.input);
    assertEquals(parse([bytes]), expected, "whole");
    assertEquals(parse(oneByOne(bytes)), expected, "byte by byte");
    for (let i = 0; i <= bytes.length; i++) {
      const pieces = [bytes.subarray(0, i), new Uint8Array(0), bytes.subarray(i)];
      assertEquals(parse(pieces), expected, `split at ${i}`);
    }
  });
}

Deno.test("SseParser gives an event as soon as its blank line is there, for every line end", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const text = `data: x${end}${end}`;
    // The LF of the last CRLF is not waited for.
    const enough = end === "\r\n" ? text.slice(0, -1) : text;
    assertEquals(parse(oneByOne(bytesOf(enough)), {}, false).events, [["x", "message"]]);
  }
});

Deno.test("SseParser replaces invalid UTF-8 the same way in any pieces", () => {
  const bytes = new Uint8Array([
    ...bytesOf("data:"),
    0xF0,
    0x9F,
    0x0A,
    0x80,
    0xE2,
    0x82,
    ...bytesOf("\ndata:x\n\n"),
  ]);
  const whole = parse([bytes]);
  assertEquals(whole.events, [["\uFFFD\nx", "message"]]);
  assertEquals(parse(oneByOne(bytes)), whole);
});

Deno.test("SseParser gives the same events for any pieces of any bytes", () => {
  const alphabet = [
    "\n",
    "\r",
    "\r\n",
    ":",
    " ",
    "data",
    "data:",
    "event:",
    "id:",
    "retry:",
    "5",
    "\uFEFF",
    "é",
    "😀",
    "\0",
    "x",
  ];
  const text = fc.array(fc.constantFrom(...alphabet), { maxLength: 40 }).map((list) =>
    bytesOf(list.join(""))
  );
  const noise = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(fc.oneof(text, noise), fc.array(fc.nat(80), { maxLength: 12 }), (bytes, cuts) => {
      const at = [
        0,
        ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b),
        bytes.length,
      ];
      const pieces = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      assertEquals(parse(pieces), parse([bytes]));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("SseParser refuses a line over the cap, whole or in pieces, and takes one at the cap", () => {
  for (const fill of ["a", "é", "€", "😀"]) {
    const size = bytesOf(fill).length;
    const line = "data:" + fill.repeat(60);
    const cap = 5 + 60 * size;
    for (const end of ["\n\n", "\r\n\r\n", "\r\r", ""]) {
      for (const start of ["", "\uFEFF"]) {
        const bytes = bytesOf(start + line + end);
        for (const pieces of [[bytes], [...oneByOne(bytes)]]) {
          assertEquals(parse(pieces, { maxLineBytes: cap }).events.length, 1);
          const error = assertThrows(() => parse(pieces, { maxLineBytes: cap - 1 }), SynthError);
          assertEquals(error.code, "sse_line_too_long");
          assertEquals(error.status, 502);
        }
      }
    }
  }
});

Deno.test("SseParser stops at the cap while a line never ends", () => {
  const parser = new SseParser({ onEvent: () => {}, maxLineBytes: 1000 });
  const piece = new Uint8Array(100).fill(0x61);
  const error = assertThrows(() => {
    for (let i = 0; i < 11; i++) parser.push(piece);
  }, SynthError);
  assertEquals(error.code, "sse_line_too_long");
});

Deno.test("SseParser refuses an event over its cap, whatever its lines", () => {
  const bytes = bytesOf("data:aaaa\n".repeat(10) + "\n");
  assertEquals(parse([bytes], { maxEventLength: 49 }).events.length, 1);
  for (const pieces of [[bytes], [...oneByOne(bytes)]]) {
    const error = assertThrows(() => parse(pieces, { maxEventLength: 48 }), SynthError);
    assertEquals(error.code, "sse_event_too_large");
  }
});

Deno.test("SseParser copies a long line in small pieces a bounded number of times", () => {
  const piece = new Uint8Array(1024).fill(0x61);
  const { set } = Uint8Array.prototype;
  /** Bytes that were copied to read a line of that many pieces. */
  const copied = (pieces: number): number => {
    let bytes = 0;
    let length = 0;
    const parser = new SseParser({
      onEvent: (data) => length = data.length,
      maxLineBytes: 64 << 20,
    });
    Uint8Array.prototype.set = function (from, at): void {
      bytes += from.length;
      set.call(this, from, at);
    };
    try {
      parser.push(bytesOf("data:"));
      for (let i = 0; i < pieces; i++) parser.push(piece);
      parser.push(bytesOf("\n\n"));
    } finally {
      Uint8Array.prototype.set = set;
    }
    assertEquals(length, pieces * 1024);
    return bytes;
  };
  // Once into the buffer, and the buffer doubles: three bytes for each. A buffer that grows by pieces copies 50 GB here.
  for (const pieces of [1000, 10_000]) assertLess(copied(pieces), 4 * pieces * 1024);
});

Deno.test("SseParser can read another stream after end", () => {
  const events: string[] = [];
  const parser = new SseParser({ onEvent: (data) => events.push(data) });
  parser.push(bytesOf("data:1\n\nevent:x\r"));
  parser.end();
  parser.push(bytesOf("\uFEFFdata:2\n\n"));
  parser.end();
  parser.end();
  assertEquals(events, ["1", "2"]);
  assert(parser.lastEventId === "");
});

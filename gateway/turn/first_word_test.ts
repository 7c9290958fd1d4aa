import { assert, assertEquals, assertFalse } from "@std/assert";
import { FakeClock } from "@synth/core";
import type { ByteSource } from "../upstreams/transport.ts";
import { ANNOUNCED_MS, firstWord } from "./first_word.ts";

const encoder = new TextEncoder();

/** A stream that says what it is told to, when it is told to. */
function scripted(): ByteSource & { say(text: string): void; end(): void; cancelled: boolean } {
  const waiting: ((bytes: Uint8Array | null) => void)[] = [];
  const ready: (Uint8Array | null)[] = [];
  const give = (bytes: Uint8Array | null): void => {
    const taker = waiting.shift();
    if (taker === undefined) ready.push(bytes);
    else taker(bytes);
  };
  return {
    cancelled: false,
    say: (text) => give(encoder.encode(text)),
    end: () => give(null),
    read() {
      if (ready.length > 0) return Promise.resolve(ready.shift()!);
      return new Promise((resolve) => waiting.push(resolve));
    },
    cancel() {
      this.cancelled = true;
      for (const taker of waiting.splice(0)) taker(null);
    },
  };
}

function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function options(clock = new FakeClock()) {
  return { clock, mask: (text: string) => text.replaceAll("secret", "***"), idleMs: 60_000 };
}

async function rest(source: ByteSource): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for (let bytes = await source.read(); bytes !== null; bytes = await source.read()) {
    text += decoder.decode(bytes, { stream: true });
  }
  return text;
}

const TEXT = event({ choices: [{ index: 0, delta: { content: "é" } }] });
const ROLE = event({ choices: [{ index: 0, delta: { role: "assistant", content: "" } }] });
const CREATED = event({ type: "response.created", response: { status: "in_progress" } });
const ITEM = event({ type: "response.output_item.added", output_index: 0, item: {} });

Deno.test("firstWord gives an answer on as soon as its first event is there, whole", async () => {
  for (
    const first of [
      TEXT,
      ITEM,
      event({ choices: [{ delta: { tool_calls: [{ index: 0 }] } }] }),
      event({ choices: [{ delta: { reasoning_content: "hm" } }] }),
      event({ choices: [{ delta: {}, finish_reason: "stop" }] }),
      event({ object: "response", status: "completed", output: [] }),
    ]
  ) {
    const source = scripted();
    const pending = firstWord(source, options());
    source.say(`: hello\n\n${first}`);
    const word = await pending;
    assert("source" in word, first);
    source.say("more");
    source.end();
    assertEquals(await rest(word.source), `: hello\n\n${first}more`);
  }
});

Deno.test("firstWord reads a first event that comes byte by byte", async () => {
  const source = scripted();
  const pending = firstWord(source, options());
  for (const byte of encoder.encode(TEXT)) source.say(String.fromCharCode(byte & 0x7f));
  source.say("\n\n");
  const word = await pending;
  assertEquals("source" in word, true);
});

Deno.test("firstWord holds an announcement back for a moment, and no longer", async () => {
  for (const said of [CREATED, ROLE]) {
    const clock = new FakeClock();
    const source = scripted();
    const pending = firstWord(source, options(clock));
    source.say(said);
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    await clock.tick(ANNOUNCED_MS);
    const word = await pending;
    assert("source" in word);
    source.say(TEXT);
    source.end();
    assertEquals(await rest(word.source), said + TEXT);
  }
});

Deno.test("firstWord gives an announcement on with the output that follows it", async () => {
  const source = scripted();
  const pending = firstWord(source, options());
  source.say(CREATED);
  source.say(ITEM);
  const word = await pending;
  assert("source" in word);
  source.end();
  assertEquals(await rest(word.source), CREATED + ITEM);
});

const FAILURES: readonly [string, string, number, string][] = [
  ["a chunk with an error", event({ error: { message: "secret broke" } }), 502, "server_error"],
  ["an error event", `event: error\n${event({ message: "broke" })}`, 502, "server_error"],
  [
    "a typed error",
    event({ type: "error", code: "server_error", message: "x" }),
    502,
    "server_error",
  ],
  [
    "response.failed behind its announcement",
    CREATED + event({
      type: "response.failed",
      response: { status: "failed", error: { code: "rate_limit_exceeded", message: "x" } },
    }),
    429,
    "rate_limit_exceeded",
  ],
  [
    "a role and an error",
    ROLE + event({ error: { message: "x", code: 503 } }),
    502,
    "server_error",
  ],
  ["a failed object", event({ object: "response", status: "failed" }), 502, "server_error"],
  [
    "a finish reason that is an error",
    event({ choices: [{ delta: {}, finish_reason: "error" }] }),
    502,
    "server_error",
  ],
  ["[DONE] alone", "data: [DONE]\n\n", 502, "server_error"],
  ["what is no stream", "<html>busy</html>", 502, "server_error"],
  ["nothing", "", 502, "server_error"],
];

for (const [name, said, status, code] of FAILURES) {
  Deno.test(`firstWord finds a failure in ${name}`, async () => {
    const source = scripted();
    const pending = firstWord(source, options());
    source.say(said);
    source.end();
    const word = await pending;
    assert("failure" in word);
    assertEquals([word.failure.status, word.failure.code], [status, code]);
    assertFalse(word.failure.message.includes("secret"));
    assert(source.cancelled);
  });
}

Deno.test("firstWord leaves to the client what the next model would refuse as well", async () => {
  const said = event({ error: { code: "context_length_exceeded", message: "too long" } });
  const source = scripted();
  const pending = firstWord(source, options());
  source.say(said);
  const word = await pending;
  assert("source" in word);
  source.end();
  assertEquals(await rest(word.source), said);
});

Deno.test("firstWord gives up a stream that says nothing but comments, then nothing", async () => {
  const clock = new FakeClock();
  const source = scripted();
  const pending = firstWord(source, options(clock));
  source.say(": waiting\n\n");
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await clock.tick(60_000);
  const word = await pending;
  assert("failure" in word);
  assertEquals([word.failure.status, word.failure.code], [504, "upstream_timeout"]);
  assert(source.cancelled);
});

Deno.test("firstWord passes on what fails behind the announcement to whoever reads", async () => {
  const clock = new FakeClock();
  let reads = 0;
  const broken = Promise.withResolvers<Uint8Array | null>();
  const source: ByteSource = {
    read: () => reads++ === 0 ? Promise.resolve(encoder.encode(CREATED)) : broken.promise,
    cancel: () => {},
  };
  const pending = firstWord(source, options(clock));
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  await clock.tick(ANNOUNCED_MS);
  const word = await pending;
  assert("source" in word);
  broken.reject(new Error("reset"));
  assertEquals((await word.source.read())?.length, encoder.encode(CREATED).length);
  const failed = await word.source.read().then(() => null, (error: Error) => error.message);
  assertEquals(failed, "reset");
});

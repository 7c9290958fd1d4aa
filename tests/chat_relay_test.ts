/** A Chat stream passed on: what becomes of it whatever its upstream does. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import {
  call,
  completion,
  delta,
  DONE,
  errorChunk,
  finish,
  frame,
  json,
  role,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply, Step } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import { isRecord, type Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock, startGateway } from "./support/test_gateway.ts";

const PATH = "/v1/chat/completions";
const CHAT = { model: "renamed", messages: [{ role: "user", content: "Say hi" }], stream: true };
const WITH_USAGE = { stream_options: { include_usage: true } };

interface Relayed {
  readonly raw: string;
  readonly chunks: Rec[];
  readonly book: readonly string[];
  readonly line: Rec;
}

async function relay(
  reply: RawReply,
  more: Rec = {},
  admission = new RecordingAdmission(),
): Promise<Relayed> {
  await using upstream = await startUpstream({ reply: () => reply });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
  const raw = await (await it.post(PATH, { ...CHAT, ...more })).text();
  const line = it.lines.map((one) => JSON.parse(one) as Rec).find((one) => "outcome" in one);
  return { raw, chunks: dataOf(raw), book: admission.book, line: line ?? {} };
}

function dataOf(raw: string): Rec[] {
  return raw.split("\n\n").filter((event) => event.startsWith("data: {"))
    .map((event) => JSON.parse(event.slice(6)) as Rec);
}

function choicesOf(chunk: Rec | undefined): Rec[] {
  return Array.isArray(chunk?.choices) ? chunk.choices.filter(isRecord) : [];
}

function textOf(chunks: readonly Rec[], index = 0): string {
  return chunks.flatMap(choicesOf).filter((choice) => choice.index === index)
    .map((choice) => (choice.delta as Rec)?.content ?? "").join("");
}

function errorsOf(chunks: readonly Rec[]): Rec[] {
  return chunks.map(({ error }) => error).filter(isRecord);
}

/** A chunk of the second choice. */
function second(chunk: Rec): Rec {
  return { ...chunk, choices: choicesOf(chunk).map((choice) => ({ ...choice, index: 1 })) };
}

const BREAKS: readonly [string, Step[]][] = [
  ["is cut", [{ fault: "cut" }]],
  ["ends without [DONE]", []],
];

for (const [name, fault] of BREAKS) {
  Deno.test(`chat relay completes a stream that ${name} behind its finish reason`, async () => {
    for (
      const answer of [[text("Hel"), text("lo"), finish("stop")], [
        call(0, "{}", "c1", "f"),
        finish("tool_calls"),
      ]]
    ) {
      const { raw, chunks, book, line } = await relay(sse([...answer.map(frame), ...fault]));
      assertEquals(errorsOf(chunks), [], raw);
      assert(raw.endsWith("data: [DONE]\n\n"), raw);
      assertEquals(chunks.length, answer.length);
      assertEquals([line.outcome, line.error_code], ["completed", undefined]);
      assertEquals(book.length, 2);
      assert(book[1]!.startsWith("settle lease1 estimated"), book.join());
    }
  });

  Deno.test(`chat relay fails a stream that ${name} before its finish reason`, async () => {
    const { raw, chunks, line } = await relay(sse([frame(text("Hel")), ...fault]));
    assertEquals(errorsOf(chunks).map(({ code }) => code), ["server_error"]);
    assertFalse(raw.includes("[DONE]"));
    assertEquals([line.outcome, line.error_code], ["failed", "server_error"]);
  });

  Deno.test(`chat relay says what the usage is where a stream ${name} before it came`, async () => {
    const steps: Step[] = [text("Hello wo"), finish("length")].map(frame);
    const { raw, chunks } = await relay(sse([...steps, ...fault]), WITH_USAGE);
    const last = chunks.at(-1)!;
    assertEquals([last.choices, last.id], [[], "chatcmpl-scripted"]);
    assertEquals((last.usage as Rec).completion_tokens, 2);
    assert(raw.endsWith("data: [DONE]\n\n"));
  });
}

Deno.test("chat relay completes a stream that falls silent behind its finish reason", async () => {
  const clock = new ImpatientClock();
  const reply = sse([frame(text("Hi")), frame(finish("stop")), { fault: "stall" }]);
  await using upstream = await startUpstream({ reply: () => reply });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, clock });
  const response = await it.post(PATH, CHAT);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let raw = "";
  while (!raw.includes('"stop"')) raw += (await reader.read()).value ?? "";
  const rest = (async () => {
    for (let next = await reader.read(); !next.done; next = await reader.read()) raw += next.value;
  })();
  let over = false;
  rest.then(() => over = true);
  while (!over) {
    await clock.tick(60_000);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assertEquals(errorsOf(dataOf(raw)), []);
  assert(raw.endsWith("data: [DONE]\n\n"), raw);
});

Deno.test("chat relay fails a cut behind a call that came after the finish reason", async () => {
  const chunks = [finish("tool_calls"), call(0, '{"a', "c1", "f")];
  const broken = await relay(sse([...chunks.map(frame), { fault: "cut" }]));
  assertEquals(errorsOf(broken.chunks).length, 1);
  const whole = await relay(stream(...chunks, call(0, '":1}')));
  assertEquals(errorsOf(whole.chunks), []);
});

Deno.test("chat relay waits for the end of every choice", async () => {
  const one = [text("a"), second(text("b")), finish("stop")];
  const cut: Step = { fault: "cut" };
  const half = await relay(sse([...one.map(frame), cut]), { n: 2 });
  assertEquals(errorsOf(half.chunks).length, 1);
  const unseen = await relay(sse([text("a"), finish("stop")].map(frame)), {
    n: 2,
  });
  assertEquals(errorsOf(unseen.chunks), [], "an upstream that knows one choice only");
  const both = await relay(sse([...one, second(finish("stop"))].map(frame)), { n: 2 });
  assertEquals(errorsOf(both.chunks), []);
  const bothCut = await relay(sse([...[...one, second(finish("stop"))].map(frame), cut]), { n: 2 });
  assertEquals(errorsOf(bothCut.chunks), []);
  assertEquals([textOf(bothCut.chunks, 0), textOf(bothCut.chunks, 1)], ["a", "b"]);
});

Deno.test("chat relay ends every open choice of a stream that goes beyond its grant", async () => {
  const long = "x".repeat(3000);
  const steps: Step[] = [text(long), finish("stop"), second(text(long))].map(frame);
  const { raw, chunks } = await relay(
    sse([...steps, { fault: "stall" }]),
    { n: 2 },
    new RecordingAdmission(20),
  );
  assert(raw.endsWith("data: [DONE]\n\n"), raw.slice(-300));
  const ends = chunks.flatMap(choicesOf).filter(({ finish_reason }) => finish_reason !== null)
    .map(({ index, finish_reason }) => [index, finish_reason]);
  assertEquals(ends, [[0, "stop"], [1, "length"]]);
  assertEquals(chunks.at(-1)!.id, "chatcmpl-scripted");
});

Deno.test("chat relay tells an error in a stream in the words of clients, and nothing after it", async () => {
  const errors: readonly [Rec, string, string][] = [
    [errorChunk("broke"), "server_error", "broke"],
    [errorChunk("slow", 429), "rate_limit_exceeded", "slow"],
    [
      { error: { message: "Incorrect API key provided: sk-abc", code: "invalid_api_key" } },
      "server_error",
      "The upstream refused the gateway's credentials",
    ],
    [{ choices: [{ index: 0, delta: {}, error: { message: "gone" } }] }, "server_error", "gone"],
  ];
  for (const [chunk, code, message] of errors) {
    const { raw, chunks, line } = await relay(stream(text("Hel"), chunk, text("more"), usage()));
    assertEquals(errorsOf(chunks).map((error) => [error.code, error.message]), [[code, message]]);
    assertEquals(textOf(chunks), "Hel");
    assertFalse(raw.includes("[DONE]") || raw.includes("sk-abc"), raw);
    assertEquals([line.outcome, line.error_code], ["failed", code]);
  }
});

Deno.test("chat relay reads over comments and what is no chunk, but not for ever", async () => {
  const noise = [": OPENROUTER PROCESSING\n\n", "data: hello\n\n", "data: [1]\n\n", "id: 7\n\n"];
  const { raw, chunks } = await relay(
    sse([...noise, frame(text("Hi")), ...noise, frame(finish("stop")), DONE]),
  );
  assertEquals([textOf(chunks), chunks.length], ["Hi", 2]);
  assertFalse(raw.includes("OPENROUTER") || raw.includes("hello"));
  const endless = await relay(sse([...Array<string>(200).fill("data: junk\n\n"), {
    fault: "stall",
  }]));
  assertEquals(errorsOf(endless.chunks).map(({ code }) => code), ["server_error"]);
});

Deno.test("chat relay lets nothing follow [DONE]", async () => {
  const { raw, chunks } = await relay(
    sse([frame(text("Hi")), frame(finish("stop")), DONE, frame(text("trailing")), DONE]),
  );
  assertEquals(textOf(chunks), "Hi");
  assertEquals(raw.split("[DONE]").length, 2);
});

Deno.test("chat relay makes a stream of a whole answer", async () => {
  const tool_calls = [{ id: "c1", type: "function", function: { name: "f", arguments: "{}" } }];
  const { raw, chunks } = await relay(
    json(200, completion({ content: "Hello", tool_calls }, "tool_calls")),
    WITH_USAGE,
  );
  assertEquals(textOf(chunks), "Hello");
  const [first] = choicesOf(chunks[0]);
  assertEquals([chunks[0]!.object, first!.message], ["chat.completion.chunk", undefined]);
  assertEquals((first!.delta as Rec).tool_calls, [{ index: 0, ...tool_calls[0] }]);
  assert(raw.endsWith("data: [DONE]\n\n"));
});

Deno.test("chat relay shows the upstream's usage once, wherever it came", async () => {
  const inside = { ...finish("stop"), usage: usage().usage };
  for (const reply of [stream(text("Hi"), inside), stream(text("Hi"), finish("stop"), usage())]) {
    const { chunks, book } = await relay(reply, WITH_USAGE);
    assertEquals(chunks.filter((chunk) => isRecord(chunk.usage)).length, 1);
    assert(book[1]!.startsWith("settle lease1 11+7"), book.join());
  }
});

Deno.test("chat relay counts reasoning in whichever field it is", async () => {
  for (
    const thought of [
      { reasoning_content: "hmmm" },
      { reasoning: "hmmm" },
      { reasoning_details: [{ type: "reasoning.text", text: "hmmm" }] },
    ]
  ) {
    const { book } = await relay(stream(role(), delta(thought), text("Hi"), finish("stop")));
    assert(book[1]!.endsWith(" 6"), book.join());
  }
});

Deno.test("chat refuses the id of a file, whose account is that of all orgs, and takes the file", async () => {
  await using upstream = await startUpstream({ reply: () => stream(text("Hi"), finish("stop")) });
  await using it = await startGateway({ baseUrl: upstream.baseUrl });
  const ask = (file: Rec) => {
    const content = [{ type: "text", text: "Read" }, { type: "file", file }];
    return it.post(PATH, { ...CHAT, messages: [{ role: "user", content }] });
  };
  const refused = await ask({ file_id: "file-1" });
  const { error } = await refused.json();
  assertEquals([refused.status, error.code, error.param], [
    400,
    "unsupported_parameter",
    "messages[0].content[1]",
  ]);
  assertEquals(upstream.requests.length, 0);
  const taken = await ask({ filename: "a.pdf", file_data: "data:application/pdf;base64,AA" });
  assertEquals(taken.status, 200);
  await taken.body?.cancel();
});

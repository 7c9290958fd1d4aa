/** Fallbacks behind a 200: an upstream that says nothing but that it failed is replaced before the client has a byte. */
import { assert, assertEquals, assertFalse } from "@std/assert";
import { configSchema, type SynthConfig } from "@synth/core/config";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import {
  completion,
  DONE,
  errorChunk,
  finish,
  frame,
  gate,
  json,
  role,
  sse,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply, Step } from "./support/raw_http.ts";
import {
  eventFrame,
  eventsOfResponse,
  message,
  responsesSse,
  responsesStream,
  upstreamResponse,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { parseSseText } from "./support/sse_text.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

type Api = "chat" | "responses";

const PAIRS: readonly [Api, Api][] = [["chat", "chat"], ["responses", "chat"], [
  "chat",
  "responses",
]];
const ASKED: readonly [string, Rec][] = [
  ["/v1/chat/completions", { model: "first", messages: [{ role: "user", content: "Say hi" }] }],
  ["/v1/responses", { model: "first", input: "Say hi" }],
];
const EVENTS = "text/event-stream";
/** 11 input tokens and 7 of output at the second model's price, in nano-USD. */
const SECOND_COST = 11n * 10_000n + 7n * 20_000n;

function config(urls: readonly string[], apis: readonly Api[], fallback: string[]): SynthConfig {
  return configSchema.parse({
    upstreams: {
      a: { base_url: urls[0], api: apis[0] },
      b: { base_url: urls[1], api: apis[1] },
    },
    models: {
      first: { upstream: "a", model: "model-a", price: { input: 1, output: 2 }, fallback },
      second: { upstream: "b", model: "model-b", price: { input: 10, output: 20 } },
    },
  });
}

async function upstream(api: Api, reply: (body: Rec) => RawReply) {
  return api === "chat"
    ? await startUpstream({ reply: ({ body }) => reply(body) })
    : await startResponsesUpstream(({ body }) => reply(body));
}

/** Two upstreams, books in memory, a session with money. */
async function start(apis: [Api, Api], first: RawReply, second?: RawReply, fallback = ["second"]) {
  await using stack = new AsyncDisposableStack();
  const a = stack.use(await upstream(apis[0], () => first));
  const b = stack.use(await upstream(apis[1], (body) => second ?? served(apis[1], body)));
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const made = config([a.baseUrl, b.baseUrl], apis, fallback);
  const gateway = stack.use(
    await startBudgetGateway({ baseUrl: a.baseUrl, ledger, clock, config: made }),
  );
  const id = await openIn(ledger, [hard("cost", 1_000_000_000)]);
  const kept = stack.move();
  return {
    a,
    b,
    gateway,
    ask: (body: Rec, path: string) => gateway.ask(body, { "x-synth-session-id": id }, path),
    async cost() {
      await gateway.settled();
      return (await ledger.getSession("org-a", id))!.limits[0]!;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** What a healthy upstream answers. */
function served(api: Api, body: Rec): RawReply {
  const events = eventsOfResponse([message("Hel", "lo")]);
  if (api === "responses") {
    return body.stream === true ? responsesStream(events) : json(200, events.at(-1)!.response);
  }
  return body.stream === true
    ? stream(role(), text("Hel"), text("lo"), finish("stop"), usage())
    : json(200, completion({ content: "Hello" }, "stop"));
}

const FAILED = {
  type: "response.failed",
  response: upstreamResponse({
    status: "failed",
    error: { code: "server_error", message: "broke" },
  }),
};
const SLOW = {
  type: "response.failed",
  response: upstreamResponse({
    status: "failed",
    error: { code: "rate_limit_exceeded", message: "slow" },
  }),
};
const ANNOUNCED = eventsOfResponse([]).slice(0, 2);

/** Name, answer, whether the attempt may have been billed, for which of the APIs. */
const FAILURES: readonly [string, RawReply, boolean, readonly Api[]][] = [
  ["an empty body", { status: 200, headers: {}, steps: [] }, true, ["chat", "responses"]],
  ["an empty stream", sse([]), true, ["chat", "responses"]],
  ["an empty stream with comments", sse([": wait\n\n", ": wait\n\n"]), true, ["chat", "responses"]],
  ["[DONE] alone", sse([DONE]), true, ["chat", "responses"]],
  ["a cut before the first event", sse([": wait\n\n", { fault: "cut" }]), true, [
    "chat",
    "responses",
  ]],
  [
    "a web page",
    { status: 200, headers: { "content-type": "text/html" }, steps: ["<html>busy</html>"] },
    true,
    ["chat", "responses"],
  ],
  [
    "a web page that says it is a stream",
    sse(["<html>\n\n<body>busy</body>\n\n</html>"]),
    true,
    ["chat", "responses"],
  ],
  ["an object that says nothing", json(200, {}), true, ["chat", "responses"]],
  ["an error body", json(200, { error: { message: "broke", code: 500 } }), true, [
    "chat",
    "responses",
  ]],
  ["a refusal as a body", json(200, { error: { message: "slow", code: 429 } }), false, [
    "chat",
    "responses",
  ]],
  ["an error chunk", stream(errorChunk("broke")), true, ["chat"]],
  ["a role and an error chunk", stream(role(), errorChunk("broke")), true, ["chat"]],
  ["a refusal as a chunk", stream(errorChunk("slow", 429)), false, ["chat"]],
  [
    "an event named error",
    sse([`event: error\ndata: {"message":"broke"}\n\n`]),
    true,
    ["chat", "responses"],
  ],
  ["response.failed", responsesStream([FAILED]), true, ["responses"]],
  ["response.failed behind its announcement", responsesStream([...ANNOUNCED, FAILED]), true, [
    "responses",
  ]],
  ["a rate limit behind its announcement", responsesStream([...ANNOUNCED, SLOW]), false, [
    "responses",
  ]],
  ["a failed response as a body", json(200, FAILED.response), true, ["responses"]],
];

for (const pair of PAIRS) {
  for (const [name, reply, billed, apis] of FAILURES) {
    if (!apis.includes(pair[0])) continue;
    Deno.test(`fallback ${pair.join(" to ")} after ${name} in a 200`, async () => {
      for (const [path, body] of ASKED) {
        for (const streamed of [true, false]) {
          const what = `${path} ${streamed ? "streamed" : "whole"}`;
          await using it = await start([...pair], reply);
          const response = await it.ask({ ...body, stream: streamed }, path);
          const raw = await response.text();
          assertEquals(
            [response.status, response.headers.get("x-synth-model")],
            [200, "second"],
            `${what} ${raw}`,
          );
          assert(raw.includes("Hel") && raw.includes('"model":"first"'), `${what} ${raw}`);
          assertFalse(raw.includes("broke") || raw.includes("slow"), `${what} ${raw}`);
          assertEquals([it.a.requests.length, it.b.requests.length], [1, 1], what);
          if (streamed && path === "/v1/responses") {
            const types = parseSseText(raw).map(({ type }) => type);
            assertEquals(types.filter((type) => type === "response.created").length, 1);
            assertEquals(types.at(-1), "response.completed");
          }
          const { charged, held, overrun } = await it.cost();
          assertEquals([held, overrun], [0n, 0n], what);
          const firstCost = charged - SECOND_COST;
          // A Chat client that wants a whole answer has it read as one body: events are none.
          const unread = path !== "/v1/responses" && !streamed && pair[0] === "chat" &&
            reply.headers["content-type"] === EVENTS;
          assert(billed || unread ? firstCost > 0n : firstCost === 0n, `${what} ${firstCost}`);
          const line = JSON.parse(it.gateway.lines.find((one) => one.includes("served_model"))!);
          assertEquals([line.model, line.served_model, line.fallbacks], ["first", "second", 1]);
          assertEquals([line.outcome, line.error_code], ["completed", undefined], what);
        }
      }
    });
  }
}

Deno.test("fallback serves a whole answer whose upstream fails in the middle, which a stream no longer can", async () => {
  const partial: readonly [Api, Step[]][] = [
    ["chat", [frame(text("lost")), { fault: "cut" }]],
    [
      "responses",
      [...eventsOfResponse([message("lost")]).slice(0, 5).map(eventFrame), { fault: "cut" }],
    ],
  ];
  for (const [api, steps] of partial) {
    for (const [path, body] of ASKED) {
      await using whole = await start([api, "chat"], responsesSse(steps));
      const response = await whole.ask(body, path);
      const raw = await response.text();
      assertEquals(response.headers.get("x-synth-model"), "second", raw);
      assert(raw.includes("Hello") && !raw.includes("lost"), raw);
      const { charged, held } = await whole.cost();
      assert(charged > SECOND_COST && held === 0n, String(charged));

      await using streamed = await start([api, "chat"], responsesSse(steps));
      const failed = await (await streamed.ask({ ...body, stream: true }, path)).text();
      assert(failed.includes("lost") && failed.includes("server_error"), failed);
      assertEquals(streamed.b.requests.length, 0);
    }
  }
});

Deno.test("fallback leaves an error to the client that the next model would give as well", async () => {
  const long = { code: "context_length_exceeded", message: "too long" };
  const replies: readonly [Api, RawReply][] = [
    ["chat", stream({ error: long })],
    ["responses", responsesStream([{ ...FAILED, response: { ...FAILED.response, error: long } }])],
  ];
  for (const [api, reply] of replies) {
    for (const [path, body] of ASKED) {
      await using it = await start([api, "chat"], reply);
      const raw = await (await it.ask({ ...body, stream: true }, path)).text();
      assert(raw.includes("context_length_exceeded"), raw);
      assertEquals(it.b.requests.length, 0);
      assertEquals((await it.cost()).held, 0n);
    }
  }
});

Deno.test("a refusal in whichever shape costs nothing, where no other model could serve", async () => {
  const code = "rate_limit_exceeded";
  const replies: readonly [Api, RawReply][] = [
    ["chat", stream(errorChunk("slow", code))],
    ["chat", stream(role(), errorChunk("slow", 429))],
    ["chat", json(200, { error: { message: "slow", code } })],
    ["responses", responsesStream([...ANNOUNCED, SLOW])],
    ["responses", json(200, SLOW.response)],
  ];
  for (const [api, reply] of replies) {
    for (const [path, body] of ASKED) {
      for (const streamed of [true, false]) {
        if (api === "chat" && path !== "/v1/responses" && !streamed) continue;
        await using it = await start([api, "chat"], reply, undefined, []);
        const response = await it.ask({ ...body, stream: streamed }, path);
        const raw = await response.text();
        assert(raw.includes(code), raw);
        if (!streamed) assertEquals(response.status, 429, raw);
        const { charged, held, overrun } = await it.cost();
        assertEquals([charged, held, overrun], [0n, 0n, 0n], `${path} ${streamed} ${raw}`);
      }
    }
  }
});

Deno.test("fallback tells the last failure when none serves, and holds nothing", async () => {
  const broken = sse([`event: error\ndata: {"message":"broke"}\n\n`]);
  for (const pair of PAIRS) {
    for (const [path, body] of ASKED) {
      for (const streamed of [true, false]) {
        await using it = await start([...pair], broken, broken);
        const response = await it.ask({ ...body, stream: streamed }, path);
        const raw = await response.text();
        assert(raw.includes("broke") || !streamed, raw);
        assertEquals(response.status, streamed ? 200 : 502, raw);
        assertEquals([it.a.requests.length, it.b.requests.length], [1, 1]);
        const { held, overrun } = await it.cost();
        assertEquals([held, overrun], [0n, 0n]);
      }
    }
  }
});

Deno.test("fallback holds no stream back beyond its first event", async () => {
  const firsts: readonly [Api, string, string][] = [
    ["chat", frame(text("Hel")), frame(finish("stop")) + DONE],
    [
      "responses",
      eventsOfResponse([message("Hel")]).slice(0, 5).map(eventFrame).join(""),
      eventsOfResponse([message("Hel")]).slice(5).map(eventFrame).join(""),
    ],
  ];
  for (const [api, first, rest] of firsts) {
    for (const [path, body] of ASKED) {
      const more = gate();
      await using it = await start([api, "chat"], sse([first, { wait: more.promise }, rest]));
      const response = await it.ask({ ...body, stream: true }, path);
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
      let raw = "";
      while (!raw.includes("Hel")) raw += (await reader.read()).value ?? "";
      more.open();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        raw += next.value;
      }
      assert(raw.includes("stop") || raw.includes("response.completed"), raw);
      assertEquals(it.b.requests.length, 0);
    }
  }
});

Deno.test("fallback stops the probed upstream when the client goes before its first event", async () => {
  const stall = gate();
  for (const [path, body] of ASKED) {
    await using it = await start(["chat", "chat"], sse([": wait\n\n", { wait: stall.promise }]));
    const gone = new AbortController();
    const pending = it.gateway.ask(
      { ...body, stream: true },
      {},
      path,
      gone.signal,
    );
    while (it.a.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    gone.abort();
    await it.a.requests[0]!.closed;
    await pending.then((response) => response.body?.cancel());
    assertEquals(it.b.requests.length, 0);
  }
  stall.open();
});

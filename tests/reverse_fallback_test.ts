/** Fallbacks: the next model serves when an upstream fails before it answers, each attempt on a lease of its own. */
import { assert, assertEquals } from "@std/assert";
import { configSchema, type SynthConfig } from "@synth/core/config";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import {
  completion,
  finish,
  httpError,
  json,
  stream,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import {
  eventsOfResponse,
  message,
  responsesStream,
  responsesUsage,
  upstreamResponse,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { parseSseText } from "./support/sse_text.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

const CHAT = { model: "first", messages: [{ role: "user", content: "Say hi" }] };
const INPUT = { model: "first", input: "Say hi" };

function config(first: string, second: string, more: Rec = {}): SynthConfig {
  return configSchema.parse({
    upstreams: { a: { base_url: first }, b: { base_url: second, api: "responses" } },
    models: {
      first: {
        upstream: "a",
        model: "model-a",
        price: { input: 1, output: 2 },
        fallback: ["second", "third"],
      },
      second: { upstream: "b", model: "model-b", price: { input: 10, output: 20 }, ...more },
      third: { upstream: "a", model: "model-c", price: { input: 1, output: 2 } },
    },
  });
}

/** A Chat upstream `a`, a Responses upstream `b`, books in memory, and a session with money. */
async function start(a: RawReply[], b: RawReply, limit = 1_000_000_000, more: Rec = {}) {
  await using stack = new AsyncDisposableStack();
  const left = [...a];
  const one = stack.use(
    await startUpstream({ reply: () => left.shift() ?? httpError(500, "out") }),
  );
  const two = stack.use(await startResponsesUpstream(() => b));
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const gateway = stack.use(
    await startBudgetGateway({
      baseUrl: one.baseUrl,
      ledger,
      clock,
      config: config(one.baseUrl, two.baseUrl, more),
    }),
  );
  const id = await openIn(ledger, [hard("cost", limit)]);
  const kept = stack.move();
  return {
    one,
    two,
    gateway,
    id,
    ask: (body: Rec, path: string) => gateway.ask(body, { "x-synth-session-id": id }, path),
    async cost() {
      await gateway.settled();
      return (await ledger.getSession("org-a", id))!.limits[0]!;
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

const PASSING: readonly [string, RawReply, number, boolean][] = [
  ["503", httpError(503, "busy"), 3, false],
  ["429", httpError(429, "slow"), 3, false],
  ["401", httpError(401, "who"), 1, false],
  ["500", httpError(500, "broke"), 2, true],
  ["a connection that closes", { status: 200, headers: {}, steps: [], before: "cut" }, 2, true],
  ["an error in a 200", json(200, { error: { message: "broke", code: 500 } }), 1, true],
];
const SERVED = responsesStream(eventsOfResponse([message("Hel", "lo")]));
const WHOLE = json(200, eventsOfResponse([message("Hel", "lo")]).at(-1)!.response as Rec);
/** 11 input tokens of which 3 are cached, 7 of output, at the second model's price in nano-USD. */
const SECOND_COST = 11n * 10_000n + 7n * 20_000n;

for (const [name, reply, attempts, billed] of PASSING) {
  for (const [path, body] of [["/v1/chat/completions", CHAT], ["/v1/responses", INPUT]] as const) {
    Deno.test(`fallback after ${name} serves ${path}, each attempt on its own lease`, async () => {
      await using it = await start(Array(attempts).fill(reply), SERVED);
      const response = await it.ask({ ...body, stream: true }, path);
      const raw = await response.text();
      assertEquals([response.status, response.headers.get("x-synth-model")], [200, "second"], raw);
      assert(raw.includes("Hel"), raw);
      assertEquals([it.one.requests.length, it.two.requests.length], [attempts, 1]);
      assertEquals(it.two.requests[0]!.body.model, "model-b");
      assert(!raw.includes("model-b") && !raw.includes("upstream-model"), raw);
      assert(raw.includes('"model":"first"'), raw);
      const { charged, held, overrun } = await it.cost();
      assertEquals([held, overrun], [0n, 0n]);
      if (billed) assert(charged > SECOND_COST, String(charged));
      else assertEquals(charged, SECOND_COST);
      const line = JSON.parse(it.gateway.lines.find((one) => one.includes("served_model"))!);
      assertEquals([line.model, line.served_model], ["first", "second"]);
    });
  }
}

Deno.test("fallback serves whole answers, too, and says so when none was needed", async () => {
  await using it = await start([httpError(401, "who")], WHOLE);
  const response = await it.ask(INPUT, "/v1/responses");
  assertEquals(response.headers.get("x-synth-model"), "second");
  assertEquals((await response.json()).model, "first");
  await using well = await start([json(200, completion({ content: "hi" }, "stop"))], WHOLE);
  const first = await well.ask(CHAT, "/v1/chat/completions");
  assertEquals(first.headers.get("x-synth-model"), "first");
  await first.body?.cancel();
  assertEquals(well.two.requests.length, 0);
});

Deno.test("fallback goes on to the third model, and ends with the last failure when none serves", async () => {
  const hello = stream(text("third here"), finish("stop"), usage());
  await using it = await start([httpError(401, "a"), hello], httpError(401, "b"));
  const response = await it.ask({ ...INPUT, stream: true }, "/v1/responses");
  assertEquals(response.headers.get("x-synth-model"), "third");
  assertEquals(parseSseText(await response.text()).at(-1)!.type, "response.completed");
  await using none = await start([httpError(401, "a"), httpError(401, "c")], httpError(401, "b"));
  const failed = await none.ask(CHAT, "/v1/chat/completions");
  assertEquals([failed.status, (await failed.json()).error.code], [502, "upstream_auth"]);
  const { charged, held } = await none.cost();
  assertEquals([charged, held], [0n, 0n]);
});

Deno.test("fallback leaves a 4xx to the client, which the next model would refuse as well", async () => {
  await using it = await start([httpError(400, "bad", "bad_thing")], SERVED);
  const response = await it.ask(CHAT, "/v1/chat/completions");
  assertEquals([response.status, (await response.json()).error.code], [400, "bad_thing"]);
  assertEquals(it.two.requests.length, 0);
});

Deno.test("fallback passes over a model that the budget cannot pay", async () => {
  const hello = stream(text("third here"), finish("stop"), usage());
  const dear = { price: { input: 100_000, output: 200_000 } };
  await using it = await start([httpError(401, "a"), hello], SERVED, 20_000_000, dear);
  const response = await it.ask({ ...CHAT, stream: true }, "/v1/chat/completions");
  const raw = await response.text();
  assertEquals([response.status, response.headers.get("x-synth-model")], [200, "third"], raw);
  assert(raw.includes('"model":"first"') && !raw.includes('"model":"scripted"'), raw);
  assertEquals(it.two.requests.length, 0);
});

Deno.test("fallback never begins once the answer has", async () => {
  const cut = {
    ...stream(text("Hel")),
    steps: [...stream(text("Hel")).steps.slice(0, 1), { fault: "cut" as const }],
  };
  await using it = await start([cut], SERVED);
  const response = await it.ask({ ...CHAT, stream: true }, "/v1/chat/completions");
  assert((await response.text()).includes("error"));
  assertEquals(it.two.requests.length, 0);
});

Deno.test("budget settles a reversed chat by what the upstream reports, and holds nothing after", async () => {
  await using it = await start([], SERVED);
  for (
    const body of [{ ...CHAT, model: "second", stream: true }, {
      ...INPUT,
      model: "second",
      stream: true,
    }]
  ) {
    const before = (await it.cost()).charged;
    const path = "messages" in body ? "/v1/chat/completions" : "/v1/responses";
    const response = await it.ask(body, path);
    assertEquals(response.status, 200);
    await response.text();
    const { charged, held, overrun } = await it.cost();
    assertEquals([charged - before, held, overrun], [SECOND_COST, 0n, 0n]);
    assert(Number(it.two.requests.at(-1)!.body.max_output_tokens) >= 16);
  }
});

Deno.test("budget refuses what nothing bounds, before a call, on a Responses upstream", async () => {
  const remembered = upstreamResponse({ status: "completed", usage: responsesUsage() });
  await using it = await start([], json(200, remembered));
  const refused: Rec[] = [
    { context_management: [{ type: "compaction" }] },
    { tools: [{ type: "web_search" }] },
    { tools: [{ type: "mcp", server_url: "https://x.test" }] },
    { tools: [{ type: "shell" }] },
    { service_tier: "priority" },
    {
      input: [{ type: "additional_tools", tools: [{ type: "web_search" }] }, {
        role: "user",
        content: "x",
      }],
    },
    {
      input: [{
        role: "user",
        content: [{ type: "input_image", image_url: "https://x.test/a.png" }],
      }],
    },
    {
      input: [{ type: "computer_call_output", call_id: "c", output: { type: "x" } }, {
        role: "user",
        content: "x",
      }],
    },
    {
      input: [{
        type: "function_call_output",
        call_id: "c",
        output: [{ type: "input_image", image_url: "https://x.test" }],
      }],
    },
  ];
  for (const body of refused) {
    const response = await it.ask({ ...INPUT, model: "second", ...body }, "/v1/responses");
    const { error } = await response.json();
    assertEquals([response.status, error?.code], [400, "unmeterable_field"], JSON.stringify(body));
  }
  assertEquals(it.two.requests.length, 0);
  assertEquals((await it.cost()).held, 0n);
  const codex = { "user-agent": "codex_cli_rs/0.169.0", "x-synth-session-id": it.id };
  const tools = [{ type: "web_search" }, { type: "function", name: "f" }];
  const served = await it.gateway.ask({ ...INPUT, model: "second", tools }, codex);
  assertEquals([served.status, served.headers.get("x-bridge-dropped-tools")], [200, "web_search"]);
  assertEquals(it.two.requests[0]!.body.tools, tools.slice(1));
  await served.body?.cancel();
  for (
    const body of [
      { tools: [{ type: "namespace", name: "n", tools: [{ type: "function", name: "f" }] }] },
      { tools: [{ type: "local_shell" }] },
      {
        input: [{ type: "reasoning", id: "r", summary: [], encrypted_content: "AAAA" }, {
          role: "user",
          content: "x",
        }],
      },
      { service_tier: "default", reasoning: { effort: "low" }, client_metadata: { a: "b" } },
    ]
  ) {
    const response = await it.ask({ ...INPUT, model: "second", ...body }, "/v1/responses");
    assertEquals(response.status, 200, await response.text());
  }
});

/** A Responses client on an upstream that speaks the Responses API. */
import { assert, assertEquals, assertFalse, assertMatch, assertStringIncludes } from "@std/assert";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { httpError, json } from "./support/chat_replies.ts";
import type { RawReply, Step } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import {
  customCall,
  eventFrame,
  eventsOfResponse,
  functionCall,
  message,
  reasoning,
  responsesSse,
  responsesStream,
  upstreamResponse,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import {
  type ResponsesUpstreamRequest,
  startResponsesUpstream,
} from "./support/scripted_responses_upstream.ts";
import { parseSseText } from "./support/sse_text.ts";
import { ImpatientClock, startGateway, type TestGatewayOptions } from "./support/test_gateway.ts";

const UP = { api: "responses" };
const BODY = { model: "renamed", input: "Say hi" };
const PATH = "/v1/responses";
const ITEMS = [
  reasoning("I ", "think"),
  message("Hel", "lo"),
  functionCall("c1", "f", '{"a"', ":1}"),
  customCall("c2", "p", "raw"),
];
const TERMINAL = /^response\.(?:completed|incomplete|failed)$/;

interface Got {
  readonly status: number;
  readonly raw: string;
  readonly headers: Headers;
  readonly sent: ResponsesUpstreamRequest | undefined;
  readonly book: string[];
}

async function ask(
  reply: RawReply,
  body: Rec = {},
  admission: RecordingAdmission = new RecordingAdmission(),
  given: Partial<TestGatewayOptions> = {},
): Promise<Got> {
  await using upstream = await startResponsesUpstream(() => reply);
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: UP,
    admission,
    ...given,
  });
  const response = await it.post(PATH, { ...BODY, ...body });
  const raw = await response.text();
  const { status, headers } = response;
  return { status, raw, headers, sent: upstream.requests[0], book: admission.book };
}

/** Whether events are what a strict client takes: numbers without gaps, created first, one terminal event, last. */
function checkStream(events: Rec[]): Rec {
  assertEquals(events.map((event) => event.sequence_number), events.map((_, i) => i));
  assertEquals(events[0]!.type, "response.created");
  assertEquals(events.filter(({ type }) => TERMINAL.test(String(type))).length, 1);
  const last = events.at(-1)!;
  assert(TERMINAL.test(String(last.type)), String(last.type));
  const open = new Set<unknown>();
  for (const { type, output_index } of events) {
    if (type === "response.output_item.added") open.add(output_index);
    if (type === "response.output_item.done") assert(open.delete(output_index));
  }
  assertEquals(open.size, 0, "items are left open");
  for (const { response } of events) {
    if (response !== undefined) assertEquals((response as Rec).model, "renamed");
  }
  return last.response as Rec;
}

/** What of a response object is not the upstream's: nothing is stored here, or there. */
function renamed(response: unknown): Rec {
  const { id } = response as Rec;
  assertMatch(String(id), /^resp_[0-9a-vx]{32}$/);
  return { id, model: "renamed", store: false, previous_response_id: null };
}

Deno.test("pass-through streams events as they are but for the model and the response's id, bytewise too", async () => {
  const events = eventsOfResponse(ITEMS);
  for (const bytewise of [false, true]) {
    const { raw, book } = await ask({ ...responsesStream(events), bytewise }, { stream: true });
    const got = parseSseText(raw);
    checkStream(got);
    const expected = events.map((event) =>
      event.response === undefined
        ? event
        : { ...event, response: { ...event.response as Rec, ...renamed(got[0]!.response) } }
    );
    assertEquals(got, expected);
    assertStringIncludes(raw, "gAAAA-sealed+/=");
    assert(book[1]!.startsWith("settle lease1 11+7 "), book.join());
  }
});

Deno.test("pass-through gives a whole response under the client's model name", async () => {
  const body = eventsOfResponse(ITEMS).at(-1)!.response as Rec;
  const { status, raw, book } = await ask(json(200, body));
  assertEquals(status, 200, raw);
  assertEquals(JSON.parse(raw), { ...body, ...renamed(JSON.parse(raw)) });
  assert(book[1]!.startsWith("settle lease1 11+7 "), book.join());
});

Deno.test("pass-through makes a stream of a whole body", async () => {
  const body = eventsOfResponse(ITEMS).at(-1)!.response as Rec;
  const { raw, book } = await ask(json(200, body), { stream: true });
  const last = checkStream(parseSseText(raw));
  assertEquals(last, { ...body, ...renamed(last) });
  assert(book[1]!.startsWith("settle lease1 11+7 "), book.join());
});

Deno.test("pass-through sends the request as it came, unkept, under the upstream's name", async () => {
  const sealed = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA==" };
  const asked = {
    input: [{ role: "user", content: "a" }, sealed, { role: "user", content: "b" }],
    include: ["reasoning.encrypted_content"],
    reasoning: { effort: "low", summary: "auto" },
    prompt_cache_key: "k",
    client_metadata: { x: "y" },
  };
  const { sent } = await ask(responsesStream(eventsOfResponse([])), { ...asked, stream: true });
  assertEquals(sent!.body, { ...asked, model: "mock-text", stream: true, store: false });
  const kept = await ask(json(200, upstreamResponse({ status: "completed" })), { store: true });
  assertEquals(kept.sent!.body, { ...BODY, model: "mock-text", stream: false, store: false });
  assertEquals(kept.headers.get("x-synth-ignored"), "store");
  for (const name of sent!.headers.keys()) assertFalse(name.startsWith("x-synth"), name);
});

for (const fault of [null, "cut", "reset"] as const) {
  Deno.test(`pass-through ends a stream that ends anywhere before its end (${fault ?? "eof"}) in one way`, async () => {
    const events = eventsOfResponse(ITEMS);
    for (let n = 0; n < events.length; n++) {
      const steps: Step[] = events.slice(0, n).map(eventFrame);
      if (fault !== null) steps.push({ fault });
      const { raw, status, book } = await ask(responsesSse(steps), { stream: true }, undefined, {
        clock: new ImpatientClock(),
      });
      assertEquals(status, 200, raw);
      const last = checkStream(parseSseText(raw));
      assertEquals([last.status, (last.error as Rec).code], ["failed", "server_error"]);
      // A reset may come before the head of the answer; that attempt is charged, and made again.
      assertEquals(book.filter((line) => /^(?:settle|charge)/.test(line)).length, book.length / 2);
      assert(book.length === 2 || fault === "reset", book.join());
    }
  });
}

Deno.test("pass-through ends a stalled stream", async () => {
  const steps: Step[] = [...eventsOfResponse(ITEMS).slice(0, 6).map(eventFrame), {
    fault: "stall",
  }];
  await using upstream = await startResponsesUpstream(() => responsesSse(steps));
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    upstream: UP,
    settings: { idle_timeout_s: 1 },
  });
  const response = await it.post(PATH, { ...BODY, stream: true });
  assertEquals(checkStream(parseSseText(await response.text())).status, "failed");
});

Deno.test("pass-through follows an error event with response.failed, its own or the upstream's", async () => {
  const begun = eventsOfResponse([message("Hel")]).slice(0, 5);
  const error = { type: "error", code: "rate_limit_exceeded", message: "slow", param: null };
  const failed = { status: "failed", error: { code: "rate_limit_exceeded", message: "slow" } };
  const own = { type: "response.failed", response: upstreamResponse(failed) };
  for (const events of [[...begun, error], [...begun, error, own]]) {
    const { raw } = await ask(responsesStream(events), { stream: true });
    const got = parseSseText(raw);
    const last = got.at(-1)!.response as Rec;
    assertEquals((last.error as Rec).code, "rate_limit_exceeded");
    assertEquals(got.filter(({ type }) => TERMINAL.test(String(type))).length, 1);
  }
});

Deno.test("pass-through lets nothing follow the terminal event", async () => {
  const events = [...eventsOfResponse([message("Hi")]), ...eventsOfResponse([message("again")])];
  const { raw } = await ask(responsesStream(events), { stream: true });
  assertEquals((checkStream(parseSseText(raw)).output as unknown[]).length, 1);
});

Deno.test("pass-through tells of the response first, though its upstream does not", async () => {
  const untold = eventsOfResponse(ITEMS).filter(({ type }) =>
    type !== "response.created" && type !== "response.in_progress"
  ).map(eventFrame);
  for (const length of [untold.length, 3, 1, 0]) {
    const { raw } = await ask(responsesSse(untold.slice(0, length)), { stream: true });
    const events = parseSseText(raw);
    const { status } = checkStream(events);
    assertEquals(status, length === untold.length ? "completed" : "failed");
    const told = events.filter(({ type }) => type === "response.created");
    assertEquals(told.length, 1, `${length} events`);
  }
});

Deno.test("pass-through leaves out what is no event", async () => {
  const good = eventsOfResponse([message("Hi")]).map(eventFrame);
  const bad = [
    "data: {\n\n",
    "data: []\n\n",
    'data: {"type":"a\\nb"}\n\n',
    "data: 1\n\n",
    ": hm\n\n",
  ];
  const { raw } = await ask(responsesSse(good.flatMap((one) => [...bad, one])), { stream: true });
  assertEquals(checkStream(parseSseText(raw)).status, "completed");
});

Deno.test("pass-through caps the output at the grant and cuts what goes beyond", async () => {
  const begun = eventsOfResponse([message("x".repeat(2000))]).slice(0, 5).map(eventFrame);
  const reply = responsesSse([...begun, { fault: "stall" }]);
  const { raw, sent } = await ask(reply, { stream: true }, new RecordingAdmission(20));
  assertEquals(sent!.body.max_output_tokens, 20);
  const last = checkStream(parseSseText(raw));
  assertEquals([last.status, last.incomplete_details], [
    "incomplete",
    { reason: "max_output_tokens" },
  ]);
});

const FAILURES: readonly [string, RawReply, number, string, string][] = [
  ["400", httpError(400, "no", "bad_thing"), 400, "bad_thing", "release lease1"],
  [
    "429",
    httpError(429, "no", null, { "retry-after": "30" }),
    429,
    "rate_limit_exceeded",
    "release lease1",
  ],
  ["401", httpError(401, "no"), 502, "upstream_auth", "release lease1"],
];

for (const [name, reply, status, code, booked] of FAILURES) {
  Deno.test(`pass-through answers an upstream's ${name} with ${status}`, async () => {
    const got = await ask(reply);
    assertEquals([got.status, JSON.parse(got.raw).error.code], [status, code]);
    assertEquals(got.book, ["admit lease1", booked]);
  });
}

Deno.test("pass-through refuses background, which could not be settled", async () => {
  const { status, raw, book } = await ask(responsesStream([]), { background: true });
  assertEquals([status, JSON.parse(raw).error.param, book], [400, "background", []]);
});

Deno.test("pass-through refuses ids of what an upstream keeps, whose account is that of all orgs", async () => {
  const reference = { type: "item_reference", id: "msg_1" };
  const user = { role: "user", content: "a" };
  const refused: [Rec, string][] = [
    [{ conversation: "conv_1" }, "conversation"],
    [{ conversation: { id: "conv_1" } }, "conversation"],
    [{ prompt: { id: "pmpt_1" } }, "prompt"],
    [
      { input: [{ role: "user", content: [{ type: "input_file", file_id: "file_1" }] }] },
      "input[0]",
    ],
    [{ tools: [{ type: "code_interpreter", container: "cntr_1" }] }, "tools[0].container"],
    [{
      tools: [{ type: "code_interpreter", container: { type: "auto", file_ids: ["file_1"] } }],
    }, "tools[0].container"],
    [{ tools: [{ type: "file_search", vector_store_ids: ["vs_1"] }] }, "tools[0].vector_store_ids"],
  ];
  for (const [body, param] of refused) {
    for (const stream of [false, true]) {
      const got = await ask(responsesStream([]), { ...body, stream });
      const { error } = JSON.parse(got.raw);
      const told = [got.status, error.code, error.param];
      assertEquals(told, [400, "unsupported_parameter", param]);
      assertEquals([got.book, got.sent], [[], undefined]);
    }
  }
  // Those of responses and items are looked up here, and never there.
  const unknown: [Rec, string][] = [
    [{ previous_response_id: "resp_1" }, "previous_response_not_found previous_response_id"],
    [{ input: [user, reference] }, "item_not_found input[1]"],
  ];
  for (const [body, told] of unknown) {
    const got = await ask(responsesStream([]), body);
    const { error } = JSON.parse(got.raw);
    assertEquals([got.status, `${error.code} ${error.param}`], [400, told]);
    assertEquals([got.book, got.sent], [[], undefined]);
  }
  const untyped = await ask(responsesStream([]), { input: [{ id: "msg_1" }] });
  assertEquals([untyped.status, untyped.sent], [400, undefined]);
});

Deno.test("pass-through estimates what was not reported", async () => {
  const events = eventsOfResponse([message("Hello")], { usage: null });
  const { book } = await ask(responsesStream(events), { stream: true });
  assertEquals(book, ["admit lease1", "settle lease1 estimated 5"]);
});

Deno.test("pass-through takes our own seals out, which no upstream can read, and leaves the upstream's in", async () => {
  const sealer = createSealer(parseSealKeys(generateSealKey("a")));
  const scope = { org: "org-a", model: "mock-text" };
  const seal = (kind: "reasoning" | "compaction") => sealer.seal({ kind, text: "The sum" }, scope);
  const theirs = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA==" };
  const user = { type: "message", role: "user", content: "Go on" };
  await using upstream = await startResponsesUpstream(() => responsesStream(eventsOfResponse([])));
  await using it = await startGateway({ baseUrl: upstream.baseUrl, upstream: UP, sealer });
  const input = [
    { type: "compaction", encrypted_content: seal("compaction") },
    { type: "compaction", encrypted_content: "gwr1.a.AAAA" },
    { type: "reasoning", id: "rs_0", summary: [], encrypted_content: seal("reasoning") },
    theirs,
    user,
  ];
  const response = await it.post(PATH, { ...BODY, input, stream: true });
  assertEquals(checkStream(parseSseText(await response.text())).status, "completed");
  const [sum, lost, ...rest] = upstream.requests[0]!.body.input as Rec[];
  assertStringIncludes(JSON.stringify(sum), "The sum");
  assertStringIncludes(JSON.stringify(lost), "cannot be read");
  assertEquals(rest, [theirs, user]);
});

Deno.test("pass-through and reverse use a connection again whose answer is complete", async () => {
  const ports: number[] = [];
  const body = eventsOfResponse([message("Hi")]).map(eventFrame).join("");
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    async (request, info) => {
      ports.push(info.remoteAddr.port);
      await request.body?.cancel();
      return new Response(body, { headers: { "content-type": "text/event-stream" } });
    },
  );
  const baseUrl = `http://127.0.0.1:${server.addr.port}/v1`;
  await using it = await startGateway({ baseUrl, upstream: UP });
  const chat = { model: "renamed", stream: true, messages: [{ role: "user", content: "hi" }] };
  for (
    const [path, asked] of [[PATH, { ...BODY, stream: true }], ["/v1/chat/completions", chat], [
      PATH,
      { ...BODY, stream: true },
    ]] as const
  ) {
    const response = await it.post(path, asked);
    assertEquals(response.status, 200);
    await response.text();
  }
  // The next request may overtake the end of the connection before.
  assert(new Set(ports).size < ports.length, ports.join());
  await it.gateway.drain(0);
  await server.shutdown();
});

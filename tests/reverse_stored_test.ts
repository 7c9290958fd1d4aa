/** What is stored, and gone on from, where models are on upstreams of either API; on every store. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { FakeClock, newId } from "@synth/core";
import { Authenticator, type Principal, SCOPES } from "@synth/core/auth";
import { configSchema } from "@synth/core/config";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { completion, httpError, json } from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { startRedis } from "./support/redis_server.ts";
import {
  eventsOfResponse,
  functionCall,
  type Item,
  message,
  reasoning,
  responsesStream,
} from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { parseSseText } from "./support/sse_text.ts";
import { openDocuments, STORE_KINDS, type StoreKind } from "./support/stored_bench.ts";
import { startGateway } from "./support/test_gateway.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

const PATH = "/v1/responses";
const TRANSLATED = json(200, completion({ content: "translated" }, "stop"));
const SEAL = "gAAAA-sealed+/=";
const SEALS = ["reasoning.encrypted_content"];

function passed(items: readonly Item[] = [message("passed")], over: Rec = {}): RawReply {
  return json(200, eventsOfResponse(items, over).at(-1)!.response as Rec);
}

type Bench = Awaited<ReturnType<typeof start>>;

/** `chat` falls back to `passed`, and `passed` to `chat`; `other` is passed to another upstream. */
async function start(chat: RawReply[], responses: RawReply[], kind: StoreKind) {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await startUpstream({ reply: () => chat.shift() ?? httpError(401, "a") }));
  const two = stack.use(
    await startResponsesUpstream(() => responses.shift() ?? httpError(401, "b")),
  );
  const documents = await openDocuments(kind, redis, new FakeClock(Date.now()), stack);
  const org = newId("o");
  const principal = (of: string): Principal => ({
    org: of,
    user: "me",
    keyId: `key_${of}`,
    scopes: new Set(SCOPES),
    expiresAt: null,
  });
  const it = stack.use(
    await startGateway({
      documents,
      sealer: createSealer(parseSealKeys(generateSealKey("k"))),
      authenticator: new Authenticator({
        staticKeys: [
          { key: "key-of-a-0123456789", principal: principal(org) },
          { key: "key-of-b-0123456789", principal: principal(`${org}b`) },
        ],
      }),
      config: configSchema.parse({
        upstreams: {
          a: { base_url: one.baseUrl },
          b: { base_url: two.baseUrl, api: "responses" },
          c: { base_url: two.baseUrl, api: "responses" },
        },
        models: {
          chat: { upstream: "a", price: "free", fallback: ["passed"] },
          passed: { upstream: "b", price: "free", fallback: ["chat"] },
          other: { upstream: "c", price: "free" },
        },
      }),
    }),
  );
  const kept = stack.move();
  const send = (line: string, body?: Rec, caller = "a"): Promise<Response> => {
    const [method = "", path = ""] = line.split(" ");
    return it.gateway.fetch(
      new Request(`http://gateway.test${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        headers: { authorization: `Bearer key-of-${caller}-0123456789` },
      }),
    );
  };
  return {
    one,
    two,
    documents,
    send,
    async ask(body: Rec, path = PATH) {
      const response = await send(`POST ${path}`, body);
      return { response, body: await response.json() };
    },
    /** The items that the Responses upstream got last. */
    sent: () => two.requests.at(-1)!.body.input as Rec[],
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function on(
  criterion: string,
  chat: () => RawReply[],
  responses: () => RawReply[],
  test: (bench: Bench) => Promise<void>,
): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`${criterion} (${kind})`, async () => {
      await using bench = await start(chat(), responses(), kind);
      await test(bench);
    });
  }
}

on(
  "a passed response is stored under ids of ours, and gone on from with its sealed reasoning",
  () => [],
  () => [passed([reasoning("I think"), message("one")]), passed([message("two")]), passed()],
  async ({ ask, send, two, sent, documents }) => {
    const made = await ask({ model: "passed", input: "Q1" });
    assertEquals([made.response.status, documents.calls], [200, ["put"]]);
    const { id, output, store, previous_response_id } = made.body;
    assertMatch(id, /^resp_[0-9a-v]{16}x[0-9a-v]{15}$/);
    assertEquals([store, previous_response_id], [true, null]);
    for (const item of output) assertStringIncludes(item.id, id.slice(5));
    assert(!JSON.stringify(made.body).includes(SEAL), "the client did not ask for it");
    const { store: told, include } = two.requests[0]!.body;
    assertEquals([told, include], [false, SEALS]);
    const got = await (await send(`GET ${PATH}/${id}`)).json();
    // With the members that this upstream left out.
    assertEquals([got, got.background], [{ ...got, ...made.body }, false]);
    const listed = await (await send(`GET ${PATH}/${id}/input_items`)).json();
    assertEquals(listed.data[0].content, [{ type: "input_text", text: "Q1" }]);

    const next = await ask({ model: "passed", input: "Q2", previous_response_id: id });
    assertEquals([next.response.status, next.body.previous_response_id], [200, id]);
    const [question, thought, answer, second] = sent();
    assertEquals(two.requests[1]!.body.previous_response_id, undefined);
    assertEquals([question?.id, question?.role], [undefined, "user"]);
    // The seal goes with the upstream's own id, or it does not open there.
    assertEquals([thought?.id, thought?.encrypted_content], ["rs_0", SEAL]);
    assertEquals([answer?.id, (answer?.content as Rec[])[0]?.text], ["msg_1", "one"]);
    assertEquals(second?.content, "Q2");
    // By reference, too.
    const references = output.map((item: Rec) => ({ type: "item_reference", id: item.id }));
    await ask({ model: "passed", input: [...references, { role: "user", content: "R" }] });
    assertEquals(sent().map((item) => item.id), ["rs_0", "msg_1", undefined]);
    assertEquals(sent()[0]?.encrypted_content, SEAL);

    assertEquals((await send(`DELETE ${PATH}/${id}`)).status, 200);
    const gone = await ask({ model: "passed", input: "Q3", previous_response_id: next.body.id });
    assertEquals(gone.body.error.code, "previous_response_not_found");
    assertEquals(two.requests.length, 3);
  },
);

on(
  "a passed stream has our ids throughout, and what was asked for of the seals",
  () => [],
  () => [0, 1].map(() => responsesStream(eventsOfResponse([reasoning("a"), message("b")]))),
  async ({ send }) => {
    for (const include of [[], SEALS]) {
      const response = await send(`POST ${PATH}`, {
        model: "passed",
        input: "Q",
        stream: true,
        include,
      });
      const text = await response.text();
      assert(!/resp_upstream|"(?:rs|msg)_[01]"/.test(text), text);
      assertEquals(text.includes(SEAL), include.length > 0);
      const events = parseSseText(text);
      const { output, id } = events.at(-1)!.response as Rec & { output: Rec[] };
      for (const { item_id, output_index } of events) {
        if (item_id !== undefined) assertEquals(item_id, output[Number(output_index)]?.id);
      }
      const got = await (await send(`GET ${PATH}/${id}`)).json();
      assertEquals(got, { ...got, ...events.at(-1)!.response as Rec });
    }
  },
);

on(
  "a client that returns stored reasoning itself gets it back to its upstream with its id",
  () => [],
  () => [passed([reasoning("I think"), message("one")]), passed(), passed()],
  async ({ ask, sent }) => {
    const made = await ask({ model: "passed", input: "Q1", include: SEALS });
    assertEquals(made.body.output[0].encrypted_content, SEAL);
    const input = [...made.body.output, { role: "user", content: "Q2" }];
    await ask({ model: "passed", input });
    assertEquals([sent()[0]?.id, sent()[0]?.encrypted_content], ["rs_0", SEAL]);
    assertEquals(sent()[1]?.id, "msg_1");
    // Another upstream cannot open it.
    await ask({ model: "other", input });
    assertEquals(sent().map(({ type }) => type ?? "message"), ["message", "message"]);
  },
);

on(
  "a passed response with store: false keeps its items' ids, and is stored nowhere",
  () => [],
  () => [passed([reasoning("I think"), message("one")])],
  async ({ ask, send, two, documents }) => {
    const made = await ask({ model: "passed", input: "Q1", store: false });
    assertEquals(made.body.output.map((item: Rec) => item.id), ["rs_0", "msg_1"]);
    assertMatch(made.body.id, /^resp_.*z$/);
    assertEquals([two.requests[0]!.body.include, documents.calls], [undefined, []]);
    assertEquals((await send(`GET ${PATH}/${made.body.id}`)).status, 404);
  },
);

on(
  "a passed response belongs to one org",
  () => [],
  () => [passed([functionCall("c1", "f", "{}")])],
  async ({ ask, send, two }) => {
    const { body } = await ask({ model: "passed", input: "Q" });
    const codeOf = async (line: string, given?: Rec) => {
      const response = await send(line, given, "b");
      return `${response.status} ${(await response.json()).error?.code}`;
    };
    const outputs = { tool_outputs: [{ call_id: "c1", output: "x" }] };
    const missing = "404 response_not_found";
    assertEquals(await codeOf(`GET ${PATH}/${body.id}`), missing);
    assertEquals(await codeOf(`GET ${PATH}/${body.id}/input_items`), missing);
    assertEquals(await codeOf(`DELETE ${PATH}/${body.id}`), missing);
    assertEquals(await codeOf(`POST ${PATH}/${body.id}/cancel`, {}), missing);
    assertEquals(await codeOf(`POST ${PATH}/${body.id}/submit_tool_outputs`, outputs), missing);
    for (const path of ["", "/input_tokens", "/compact"]) {
      const on = { model: "passed", input: "x", previous_response_id: body.id };
      assertEquals(await codeOf(`POST ${PATH}${path}`, on), "400 previous_response_not_found");
    }
    const input = [{ type: "item_reference", id: body.output[0].id }];
    const named = await codeOf(`POST ${PATH}`, { model: "passed", input });
    assertEquals([named, two.requests.length], ["400 item_not_found", 1]);
    // Nor does an id of the upstream name anything.
    const theirs = { model: "passed", input: "x", previous_response_id: "resp_upstream" };
    assertEquals(await codeOf(`POST ${PATH}`, theirs), "400 previous_response_not_found");
  },
);

on(
  "submit_tool_outputs goes on from a passed response, whole and streamed, once for a key",
  () => [],
  () => [
    passed([reasoning("hm"), functionCall("c1", "f", "{}")]),
    passed(),
    responsesStream(eventsOfResponse([message("streamed")])),
  ],
  async ({ ask, send, sent, two }) => {
    const tools = [{ type: "function", name: "f" }];
    const made = await ask({ model: "passed", input: "Q", tools, instructions: "be good" });
    const path = `${PATH}/${made.body.id}/submit_tool_outputs`;
    const outputs = { tool_outputs: [{ tool_call_id: "c1", output: "42" }] };
    const next = await ask(outputs, path);
    assertEquals([next.response.status, next.body.previous_response_id], [200, made.body.id]);
    assertEquals(sent().map(({ type }) => type), [
      "message",
      "reasoning",
      "function_call",
      "function_call_output",
    ]);
    assertEquals(two.requests[1]!.body.instructions, "be good");
    assertEquals((two.requests[1]!.body.tools as Rec[])[0]?.name, "f");
    const streamed = await send(`POST ${path}`, { ...outputs, stream: true });
    const events = parseSseText(await streamed.text());
    assertEquals(events.at(-1)!.type, "response.completed");
  },
);

on(
  "a chain goes from one API to the other and back, and leaves behind what only one can read",
  () => [TRANSLATED],
  () => [passed([reasoning("I think"), message("one")]), passed(), passed()],
  async ({ ask, one, sent }) => {
    const first = await ask({ model: "passed", input: "Q1" });
    const second = await ask({ model: "chat", input: "Q2", previous_response_id: first.body.id });
    const messages = one.requests[0]!.body.messages as Rec[];
    assertEquals(messages.map(({ content }) => content), ["Q1", "one", "Q2"]);
    const third = { input: "Q3", previous_response_id: second.body.id };
    await ask({ ...third, model: "passed" });
    const types = ["message", "reasoning", "message", "message", "message", "message"];
    assertEquals(sent().map(({ type }) => type ?? "message"), types);
    await ask({ ...third, model: "other" });
    assertEquals(sent().map(({ type }) => type ?? "message"), types.toSpliced(1, 1));
  },
);

on(
  "a fallback of either API serves a request that goes on from a stored response",
  () => [TRANSLATED],
  () => [passed(), httpError(503, "away")],
  async ({ ask, sent }) => {
    const made = await ask({ model: "chat", input: "a" });
    const next = await ask({ model: "chat", input: "b", previous_response_id: made.body.id });
    assertEquals(next.response.headers.get("x-synth-model"), "passed");
    assertEquals(sent().length, 3);
    assertEquals(next.body.previous_response_id, made.body.id);
  },
);

on(
  "a model that does not seal is asked again without, once, and remembered",
  () => [],
  () => [
    json(400, { error: { message: "Encrypted content is not supported with this model." } }),
    passed(),
    passed(),
  ],
  async ({ ask, two }) => {
    assertEquals((await ask({ model: "other", input: "a" })).response.status, 200);
    assertEquals((await ask({ model: "other", input: "b" })).response.status, 200);
    assertEquals(two.requests.map(({ body }) => body.include), [SEALS, undefined, undefined]);
  },
);

on(
  "compact makes a summary of ours where the request is passed on, and it is understood again",
  () => [],
  () => [passed(), passed([message("SUMMARY")]), passed(), passed([message("")])],
  async ({ ask, two, sent, documents }) => {
    const first = await ask({ model: "passed", input: "Q1" });
    documents.calls.length = 0;
    const body = { model: "passed", previous_response_id: first.body.id, instructions: "be good" };
    const made = await ask(body, `${PATH}/compact`);
    assertEquals([made.response.status, made.body.object], [200, "response.compaction"]);
    assertEquals(documents.calls.includes("put"), false);
    assertStringIncludes(JSON.stringify(sent().at(-1)), "Write a summary");
    assert(!JSON.stringify(two.requests[1]!.body).includes("compaction_trigger"));
    const [item] = made.body.output;
    assertEquals([made.body.output.length, item.type], [1, "compaction"]);
    assertMatch(item.encrypted_content, /^gwr1\./);
    await ask({ model: "passed", input: [item, { role: "user", content: "Q2" }] });
    assertStringIncludes(JSON.stringify(sent()[0]), "SUMMARY");
    const none = await ask({ model: "passed", input: "Q" }, `${PATH}/compact`);
    assertEquals(none.response.status, 502);
  },
);

on(
  "an upstream's own compaction stands for what was before it, for that upstream alone",
  () => [],
  () => [
    passed([message("one")]),
    passed([
      () => {
        const item = { id: "cmp_0", type: "compaction", encrypted_content: "theirs" };
        return { item, events: [] };
      },
    ]),
    passed(),
    passed(),
  ],
  async ({ ask, sent, two }) => {
    const first = await ask({ model: "passed", input: "Q1" });
    const trigger = [{ type: "compaction_trigger" }];
    const previous = { model: "passed", previous_response_id: first.body.id };
    const second = await ask({ ...previous, input: trigger });
    assertEquals(sent().at(-1)?.type, "compaction_trigger");
    assertEquals(second.body.output[0].encrypted_content, "theirs");
    const on = { input: "Q3", previous_response_id: second.body.id };
    await ask({ ...on, model: "passed" });
    assertEquals(sent().map(({ type, id }) => `${type} ${id}`), [
      "compaction cmp_0",
      "undefined undefined",
    ]);
    await ask({ ...on, model: "other" });
    assertStringIncludes(JSON.stringify(sent()[0]), "cannot be read here");
    assertEquals(two.requests.length, 4);
  },
);

on(
  "input_tokens counts what is passed on, history included",
  () => [],
  () => [passed([message("x".repeat(4000))])],
  async ({ ask, two }) => {
    const made = await ask({ model: "passed", input: "a" });
    const body = { model: "passed", input: "b", previous_response_id: made.body.id };
    const counted = await ask(body, `${PATH}/input_tokens`);
    assertEquals(counted.response.status, 200);
    assertEquals(Math.floor(counted.body.input_tokens / 100), 11);
    assertEquals(two.requests.length, 1);
  },
);

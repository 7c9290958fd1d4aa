/** What is stored, and gone on from, where models are on upstreams of either API. */
import { assertEquals, assertMatch } from "@std/assert";
import { FakeClock } from "@synth/core";
import { configSchema } from "@synth/core/config";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { completion, httpError, json } from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { eventsOfResponse, message } from "./support/responses_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startResponsesUpstream } from "./support/scripted_responses_upstream.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { startGateway } from "./support/test_gateway.ts";
import { CountingStore } from "./support/stored_bench.ts";

const PATH = "/v1/responses";
const PASSED = json(200, eventsOfResponse([message("passed")]).at(-1)!.response as Rec);
const TRANSLATED = json(200, completion({ content: "translated" }, "stop"));

/** `chat` falls back to `passed`, and `passed` to `chat`. */
async function start(chat: RawReply[], passed: RawReply[]) {
  await using stack = new AsyncDisposableStack();
  const one = stack.use(await startUpstream({ reply: () => chat.shift() ?? httpError(401, "a") }));
  const two = stack.use(
    await startResponsesUpstream(() => passed.shift() ?? httpError(401, "b")),
  );
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  stack.defer(() => file.close());
  const clock = new FakeClock(Date.now());
  const documents = new CountingStore(new SqliteDocumentStore(file, { clock }));
  const it = stack.use(
    await startGateway({
      documents,
      sealer: createSealer(parseSealKeys(generateSealKey("k"))),
      config: configSchema.parse({
        upstreams: {
          a: { base_url: one.baseUrl },
          b: { base_url: two.baseUrl, api: "responses" },
        },
        models: {
          chat: { upstream: "a", price: "free", fallback: ["passed"] },
          passed: { upstream: "b", price: "free", fallback: ["chat"] },
        },
      }),
    }),
  );
  const kept = stack.move();
  return {
    one,
    two,
    it,
    documents,
    async ask(body: Rec, path = PATH) {
      const response = await it.post(path, body);
      return { response, body: await response.json() };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

Deno.test("a passed response is not stored, and cannot be gone on from", async () => {
  await using bench = await start([], [PASSED]);
  const made = await bench.ask({ model: "passed", input: "a", store: true });
  assertEquals([made.response.status, bench.documents.calls], [200, []]);
  assertEquals(made.response.headers.get("x-synth-ignored"), "store");
  assertEquals((await bench.it.get(`${PATH}/${made.body.id}`)).status, 404);
  const next = { input: "b", previous_response_id: made.body.id };
  const same = await bench.ask({ ...next, model: "passed" });
  assertEquals([same.response.status, same.body.error.code], [400, "unsupported_parameter"]);
  const other = await bench.ask({ ...next, model: "chat" });
  assertEquals([other.response.status, other.body.error.code], [
    400,
    "previous_response_not_found",
  ]);
  assertEquals([bench.one.requests.length, bench.two.requests.length], [0, 1]);
});

Deno.test("a fallback that is passed through takes no request that goes on from a stored response", async () => {
  await using bench = await start([TRANSLATED], [PASSED]);
  const made = await bench.ask({ model: "chat", input: "a" });
  assertEquals(made.response.status, 200);
  const next = await bench.ask({ model: "chat", input: "b", previous_response_id: made.body.id });
  assertEquals([next.response.status, next.body.error.code], [502, "upstream_auth"]);
  const reference = { type: "item_reference", id: made.body.output[0].id };
  const user = { role: "user", content: "b" };
  const named = await bench.ask({ model: "chat", input: [reference, user] });
  assertEquals(named.response.status, 502);
  assertEquals([bench.one.requests.length, bench.two.requests.length], [3, 0]);
  const puts = bench.documents.calls.length;
  const free = await bench.ask({ model: "chat", input: "c" });
  assertEquals(free.response.headers.get("x-synth-model"), "passed");
  assertEquals(bench.two.requests[0]!.body.store, false);
  assertEquals(bench.documents.calls.length, puts);
});

Deno.test("a Chat fallback of a model that is passed through stores its response", async () => {
  await using bench = await start([TRANSLATED, TRANSLATED], []);
  const made = await bench.ask({ model: "passed", input: "a" });
  assertEquals(made.response.headers.get("x-synth-model"), "chat");
  assertEquals((await bench.it.get(`${PATH}/${made.body.id}`)).status, 200);
  const next = await bench.ask({ model: "chat", input: "b", previous_response_id: made.body.id });
  assertEquals(next.response.status, 200);
  assertMatch(JSON.stringify(bench.one.requests[1]!.body.messages), /translated/);
});

Deno.test("input_tokens counts what is passed on, and refuses what is refused", async () => {
  await using bench = await start([], []);
  const path = `${PATH}/input_tokens`;
  const counted = await bench.ask({ model: "passed", input: "x".repeat(4000) }, path);
  assertEquals(counted.response.status, 200);
  assertEquals(Math.floor(counted.body.input_tokens / 100), 10);
  const body = { model: "passed", input: "x", previous_response_id: "resp_1" };
  const refused = await bench.ask(body, path);
  assertEquals([refused.response.status, refused.body.error.param], [400, "previous_response_id"]);
  assertEquals([bench.two.requests.length, bench.documents.calls.length], [0, 0]);
});

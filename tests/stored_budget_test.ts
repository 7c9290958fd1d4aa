/** Going on from stored responses costs like any other turn, in the session of the response before; the stop tool leaves no trace. */
import { assert, assertEquals } from "@std/assert";
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { ResponseStore } from "../gateway/responses/response_store.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ON_LIMIT_KEY } from "../gateway/sessions/on_limit.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import { call, finish, role, stream, text, usage } from "./support/chat_replies.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

const ORG = "org-a";
const TOOLS = [{ type: "function", name: "f" }];

async function start() {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const clock = new ImpatientClock();
  const file = await openSqlite({ path: ":memory:", migrations: documentMigrations });
  stack.defer(() => file.close());
  const documents = new SqliteDocumentStore(file, { clock });
  const sealer = createSealer(parseSealKeys(generateSealKey("k")));
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  const gateway = stack.use(
    await startBudgetGateway({ baseUrl: upstream.baseUrl, ledger, clock, documents, sealer }),
  );
  const responses = new ResponseStore(documents, sealer);
  const kept = stack.move();
  return { upstream, ledger, gateway, responses, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function calling(): ReturnType<typeof stream> {
  return stream(role(), call(0, "{}", "call_0", "f"), finish("tool_calls"), usage());
}

Deno.test("submit_tool_outputs is charged to the session of the response before, once for a key", async () => {
  await using it = await start();
  const session = await openIn(it.ledger, [hard("api_calls", 3)]);
  const active = await openIn(it.ledger, [hard("api_calls", 9)]);
  it.upstream.enqueue(calling(), calling(), calling());
  const named = { "x-synth-session-id": session };
  const first = await (await it.gateway.ask(
    { model: "up-free-a", input: "Q", tools: TOOLS },
    named,
  )).json();
  const submit = (id: string, headers: Record<string, string> = {}): Promise<Response> =>
    it.gateway.ask(
      { tool_outputs: [{ tool_call_id: "call_0", output: "x" }] },
      headers,
      `/v1/responses/${id}/submit_tool_outputs`,
    );
  const used = async (id: string): Promise<bigint> =>
    (await it.ledger.getSession(ORG, id))!.limits[0]!.charged;
  const key = { "idempotency-key": "k" };
  const second = await (await submit(first.id, key)).json();
  assertEquals((await (await submit(first.id, key)).json()).id, second.id);
  assertEquals(await used(session), 2n);
  // A chain keeps its session; a request that names another pays there.
  const third = await (await submit(second.id)).json();
  assertEquals([third.object, await used(session)], ["response", 3n]);
  const refused = await submit(third.id);
  assertEquals((await refused.json()).error.code, "session_limit_exceeded");
  it.upstream.enqueue(calling());
  assertEquals((await submit(third.id, { "x-synth-session-id": active })).status, 200);
  assertEquals([await used(session), await used(active)], [3n, 1n]);
  assertEquals(it.upstream.requests.length, 4);
});

Deno.test("submit_tool_outputs asks the model with a key whose first answer was a used-up budget", async () => {
  for (const streamed of [false, true]) {
    await using it = await start();
    const limits = [hard("api_calls", 1)];
    const session = await openIn(it.ledger, limits, { [ON_LIMIT_KEY]: "message" });
    const other = await openIn(it.ledger, [hard("api_calls", 9)]);
    it.upstream.enqueue(calling(), stream(role(), text("done"), finish("stop"), usage()));
    const asked = { model: "up-free-a", input: "Q", tools: TOOLS };
    const first = await (await it.gateway.ask(asked, { "x-synth-session-id": session })).json();
    const submit = (session: string): Promise<Response> =>
      it.gateway.ask(
        { tool_outputs: [{ tool_call_id: "call_0", output: "x" }], stream: streamed },
        { "x-synth-session-id": session, "idempotency-key": "k" },
        `/v1/responses/${first.id}/submit_tool_outputs`,
      );
    const refused = await submit(session);
    assertEquals([refused.status, refused.headers.has("x-synth-refused")], [200, true]);
    await refused.text();
    const answered = await submit(other);
    assertEquals(answered.headers.get("x-synth-replayed"), null);
    assert((await answered.text()).includes('"done"'));
    const again = await submit(other);
    assertEquals(again.headers.get("x-synth-replayed"), "true");
    assert((await again.text()).includes('"done"'));
  }
});

Deno.test("compact is refused by a used-up budget, whatever on_limit says; its words are no summary", async () => {
  await using it = await start();
  const session = await openIn(it.ledger, [hard("api_calls", 0)], { [ON_LIMIT_KEY]: "message" });
  const headers = { "x-synth-session-id": session };
  const body = { model: "up-free-a", input: "Q" };
  const compacted = await it.gateway.ask(body, headers, "/v1/responses/compact");
  assertEquals((await compacted.json()).error.code, "session_limit_exceeded");
  // As an answer they are stored like any other.
  const told = await (await it.gateway.ask(body, headers)).json();
  assertEquals(told.status, "completed");
  it.upstream.enqueue(stream(role(), text("A"), finish("stop"), usage()));
  const open = await openIn(it.ledger, []);
  const next = await it.gateway.ask(
    { ...body, previous_response_id: told.id },
    { "x-synth-session-id": open },
  );
  assertEquals((await next.json()).status, "completed");
});

Deno.test("stop tool is never stored, echoed or sent again", async () => {
  await using it = await start();
  const stop = call(1, '{"final_message":"All done."}', "call_s", "__internal_stop");
  it.upstream.enqueue(
    stream(
      role(),
      call(0, "{}", "call_0", "f"),
      stop,
      finish("tool_calls"),
      usage(),
    ),
    stream(
      role(),
      call(0, '{"final_message":"All done."}', "call_t", "__internal_stop"),
      finish("tool_calls"),
      usage(),
    ),
    stream(role(), text("B"), finish("stop"), usage()),
  );
  const ask = async (body: Rec, path?: string): Promise<Rec> => {
    const response = await it.gateway.ask(body, {}, path);
    assertEquals(response.status, 200);
    return await response.json();
  };
  const first = await ask({ model: "up-free-a", input: "Q", tools: TOOLS });
  const second = await ask(
    { tool_outputs: [{ tool_call_id: "call_0", output: "x" }] },
    `/v1/responses/${first.id}/submit_tool_outputs`,
  );
  const third = await ask({ model: "up-free-a", input: "R", previous_response_id: second.id });
  const ids = [first, second, third].map((one) => String(one.id));
  const stored = (await it.responses.load(ORG, ids)).map((found) => {
    assert(typeof found !== "string");
    return found.stored;
  });
  assert(!JSON.stringify(stored).includes("__internal_stop"));
  assert(JSON.stringify(stored[1]).includes("All done."));
  assertEquals(stored[1]!.session, stored[0]!.session);
  assert(
    JSON.stringify(it.upstream.requests[0]!.body.tools).includes("__internal_stop"),
    "it was offered",
  );
  assert(!JSON.stringify(it.upstream.requests[2]!.body.messages).includes("__internal_stop"));
});

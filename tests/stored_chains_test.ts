/** Chains under attack: races, deletions, expiry, lost keys, other versions; and the reasoning that a summary stood for. On every store. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { newResponseId, placeOf } from "../gateway/responses/response_ids.ts";
import { ResponseStore } from "../gateway/responses/response_store.ts";
import { finish, role, stream, text, usage } from "./support/chat_replies.ts";
import { startRedis } from "./support/redis_server.ts";
import type { Rec } from "./support/response_shape.ts";
import {
  STORE_KINDS,
  type StoredBench,
  storedBench,
  type StoreKind,
} from "./support/stored_bench.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

function say(words: string, ...before: Rec[]): ReturnType<typeof stream> {
  return stream(role(), ...before, text(words), finish("stop"), usage());
}

function think(delta: Rec): Rec {
  return { choices: [{ index: 0, delta }] };
}

function on(
  criterion: string,
  test: (bench: StoredBench, kind: StoreKind) => Promise<void>,
  settings: Rec = {},
  upstream: Rec = {},
): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`stored chains ${criterion} (${kind})`, async () => {
      await using bench = await storedBench(kind, redis, settings, upstream);
      await test(bench, kind);
    });
  }
}

/** One more turn; gives its id. */
async function turn(bench: StoredBench, input: string, previous?: string): Promise<string> {
  bench.upstream.enqueue(say(`a-${input}`));
  return String((await bench.create({ input, previous_response_id: previous })).id);
}

/** The refusal of going on: its code and what it says. */
async function refusal(bench: StoredBench, id: string): Promise<[number, string, string]> {
  const body = { model: "mock-any", input: "x", previous_response_id: id };
  const response = await bench.send("POST /v1/responses", body);
  const { error } = await response.json();
  return [response.status, error?.code, error?.message];
}

on(
  "give an upstream back what it thought, where the client saw a summary",
  async (bench) => {
    const { upstream, create, send, store } = bench;
    const thought = "the whole thought";
    upstream.enqueue(
      say("A", think({ reasoning_content: thought })),
      ...["B", "C", "D"].map((words) => say(words)),
    );
    const first = await create({ input: "Q1", reasoning: { summary: "auto" } });
    const [item] = first.output as Rec[];
    assertEquals([item?.type, item?.encrypted_content], ["reasoning", undefined]);
    const sentBack = () =>
      (upstream.requests.at(-1)!.body.messages as Rec[]).map(({ reasoning_content }) =>
        reasoning_content
      );
    // What is shown may be less than what was thought.
    const { slot } = placeOf(String(first.id))!;
    const document = await store.get(bench.org, "responses", slot!);
    const { sealed } = document!.value as { sealed: string };
    const scope = { org: bench.org, model: `response ${slot}` };
    const opened = JSON.parse(bench.sealer.open(sealed, scope)!.text);
    assertEquals(opened.secrets[String(item?.id)].text, thought);
    opened.response.output[0].summary[0].text = "shown";
    const changed = bench.sealer.seal({ kind: "document", text: JSON.stringify(opened) }, scope);
    await store.put(bench.org, "responses", slot!, { v: 1, sealed: changed });

    const second = await create({ input: "Q2", previous_response_id: first.id });
    assertEquals(sentBack(), [undefined, thought, undefined]);
    // As the AI SDK refers to them; what goes on from that has it, too.
    const references = (first.output as Rec[]).map(({ id }) => ({ type: "item_reference", id }));
    const third = await create({ input: [...references, { role: "user", content: "Q3" }] });
    assertEquals(sentBack(), [thought, undefined]);
    await create({ input: "Q4", previous_response_id: third.id });
    assertEquals(sentBack().filter((one) => one !== undefined), [thought]);
    for (const { id } of [first, second]) {
      const got = await send(`GET /v1/responses/${id}`);
      const items = await send(`GET /v1/responses/${id}/input_items`);
      assert(!`${await got.text()}${await items.text()}`.includes(thought));
    }
    assert(!bench.it.lines.join().includes(thought));
  },
  {},
  { profile: "deepseek" },
);

on(
  "give the details of reasoning back, unchanged, to the model that made them",
  async (bench) => {
    const { upstream, create } = bench;
    const detail = { type: "reasoning.encrypted", data: "opaque", index: 0, format: "x" };
    upstream.enqueue(
      say("A", think({ reasoning_details: [detail] })),
      say("B"),
      say("C"),
    );
    const first = await create({ input: "Q1" });
    await create({ input: "Q2", previous_response_id: first.id });
    const backAt = (n: number) =>
      (upstream.requests.at(n)!.body.messages as Rec[])[1]?.reasoning_details;
    assertEquals(backAt(1), [detail]);
    await create({ model: "renamed", input: "Q3", previous_response_id: first.id });
    assertEquals(backAt(2), undefined);
  },
  {},
  { profile: "openrouter" },
);

on("fork where two go on at once, and each is gone on from", async (bench) => {
  const root = await turn(bench, "root");
  for (let n = 0; n < 6; n++) bench.upstream.enqueue(say("same"));
  const both = await Promise.all(
    Array.from(
      { length: 6 },
      (_, n) => bench.create({ input: `fork${n}`, previous_response_id: root }),
    ),
  );
  assertEquals(new Set(both.map(({ id }) => id)).size, 6);
  for (const [n, { id }] of both.entries()) {
    assertEquals((await bench.send(`GET /v1/responses/${id}`)).status, 200);
    const next = await turn(bench, `next${n}`, String(id));
    await turn(bench, "last", next);
    assertEquals(bench.sent(), [
      "user: root",
      "assistant: a-root",
      `user: fork${n}`,
      "assistant: same",
      `user: next${n}`,
      `assistant: a-next${n}`,
      "user: last",
    ]);
  }
});

on("are broken by a deletion, also where another turn came in its place", async (bench) => {
  const ids = [await turn(bench, "t0")];
  for (const n of [1, 2, 3]) ids.push(await turn(bench, `t${n}`, ids.at(-1)));
  const [first, second, third, last] = ids as [string, string, string, string];
  assertEquals((await bench.send(`DELETE /v1/responses/${second}`)).status, 200);
  assertEquals((await bench.send(`GET /v1/responses/${second}`)).status, 404);
  assertEquals((await bench.send(`DELETE /v1/responses/${second}`)).status, 404);
  const replaced = await turn(bench, "other", first);
  assertNotEquals(replaced, second);
  for (const id of [third, last]) {
    const [status, code, message] = await refusal(bench, id);
    assertEquals([status, code], [400, "previous_response_not_found"]);
    assertStringIncludes(message, second);
    assertEquals((await bench.send(`GET /v1/responses/${id}`)).status, 200);
  }
  await turn(bench, "on", replaced);
  assertEquals(bench.sent().slice(2), ["user: other", "assistant: a-other", "user: on"]);
  // A branch is deleted without its sibling.
  const sibling = await turn(bench, "sibling", first);
  assertEquals((await bench.send(`DELETE /v1/responses/${sibling}`)).status, 200);
  assertEquals((await bench.send(`GET /v1/responses/${replaced}`)).status, 200);
  assertEquals((await bench.send(`GET /v1/responses/${sibling}`)).status, 404);
});

on("are whole or refused when a deletion races the read", async (bench) => {
  const { store, send, upstream } = bench;
  const first = await turn(bench, "t0");
  const second = await turn(bench, "t1", first);
  // Before the read.
  store.onRead = async () => {
    store.onRead = null;
    assertEquals((await send(`DELETE /v1/responses/${first}`)).status, 200);
  };
  assertEquals((await refusal(bench, second)).slice(0, 2), [400, "previous_response_not_found"]);
  // Behind it: the turn is made, and its chain is broken.
  const root = await turn(bench, "u0");
  const middle = await turn(bench, "u1", root);
  store.onPut = async () => {
    store.onPut = null;
    assertEquals((await send(`DELETE /v1/responses/${root}`)).status, 200);
  };
  const third = await turn(bench, "u2", middle);
  assertEquals((await refusal(bench, third)).slice(0, 2), [400, "previous_response_not_found"]);
  // At the same time, one of both.
  for (let n = 0; n < 5; n++) {
    const one = await turn(bench, "v0");
    const two = await turn(bench, "v1", one);
    const asked = upstream.requests.length;
    upstream.enqueue(say("x"));
    const [made, gone] = await Promise.all([
      send("POST /v1/responses", { model: "mock-any", input: "y", previous_response_id: two }),
      send(`DELETE /v1/responses/${one}`),
    ]);
    assertEquals(gone.status, 200);
    await made.body?.cancel();
    if (made.status === 200) {
      assertEquals(bench.sent().length, 5);
      continue;
    }
    assertEquals([made.status, upstream.requests.length], [400, asked]);
    await turn(bench, "what was left");
  }
});

on("end with the first that expires", async (bench, kind) => {
  if (kind !== "SQLite") {
    // Redis expires by its own time: the document's life is its own, whatever the chain's.
    const first = await turn(bench, "t0");
    const second = await turn(bench, "t1", first);
    await redis.cli(
      "PEXPIRE",
      `synth:v1:{${bench.org}}:doc:responses:${placeOf(first)!.slot}`,
      "0",
    );
    assertEquals((await refusal(bench, second)).slice(0, 2), [400, "previous_response_not_found"]);
    return;
  }
  const first = await turn(bench, "t0");
  await bench.pass(1_800_000);
  const second = await turn(bench, "t1", first);
  await turn(bench, "t2", second);
  await bench.pass(1_800_001);
  const [status, code, message] = await refusal(bench, second);
  assertEquals([status, code], [400, "previous_response_not_found"]);
  assertStringIncludes(message, first);
  assertEquals((await bench.send(`GET /v1/responses/${second}`)).status, 200);
}, { responses_retention_hours: 1 });

on("say that a seal does not open when its key is gone", async (bench) => {
  const { store, org, send } = bench;
  const first = await turn(bench, "t0");
  const second = await turn(bench, "t1", first);
  // As after a rotation that forgot the old key.
  const lost = new ResponseStore(store, createSealer(parseSealKeys(generateSealKey("new"))));
  assertEquals(await lost.load(org, [first]), ["sealed"]);
  const chain = await lost.chain(org, second, [], 100);
  assertEquals([chain.last, chain.missing], [null, { id: second, why: "sealed" }]);
  assertEquals(await lost.delete(org, first), false);
  // Spoilt in the middle of a chain.
  const { slot } = placeOf(first)!;
  const { value } = (await store.get(org, "responses", slot!))!;
  const { sealed } = value as { sealed: string };
  await store.put(org, "responses", slot!, { v: 1, sealed: `${sealed.slice(0, -8)}AAAAAAAA` });
  const got = await send(`GET /v1/responses/${first}`);
  const { error } = await got.json();
  assertEquals([got.status, error.code], [404, "response_not_found"]);
  assertStringIncludes(error.message, "SYNTH_SEAL_KEYS");
  const [status, code, message] = await refusal(bench, second);
  assertEquals([status, code], [400, "previous_response_not_found"]);
  assertStringIncludes(message, first);
  assertStringIncludes(message, "SYNTH_SEAL_KEYS");
});

on(
  "are read from the version before, gone on from, and refused from a later one",
  async (bench) => {
    const { store, org, sealer, send, sent } = bench;
    const made = await turn(bench, "template");
    const found = (await bench.responses.load(org, [made]))[0]!;
    assert(typeof found !== "string");
    /** As the version before wrote it: by its id, with its ancestors. */
    const write = async (n: number, ancestors: string[], v = 1): Promise<string> => {
      const id = `resp_${String(n).padStart(32, "0")}`;
      const response = {
        ...found.stored.response,
        id,
        previous_response_id: ancestors.at(-1) ?? null,
      };
      const words = JSON.stringify({
        v,
        response,
        input: [{ type: "message", id: `m${n}`, role: "user", content: `old${n}` }],
        ancestors,
        session: null,
      });
      const seal = sealer.seal({ kind: "document", text: words }, {
        org,
        model: `response ${id}`,
      });
      await store.put(org, "responses", id, { v: 1, sealed: seal });
      return id;
    };
    const chain: string[] = [];
    // A block of ancestors, and another that begins behind it.
    for (let n = 0; n < 4; n++) chain.push(await write(n, n < 3 ? chain.slice(0, n) : [chain[2]!]));
    const next = await turn(bench, "new1", chain[3]!);
    await turn(bench, "new2", next);
    const said = sent().filter((line) => line.startsWith("user"));
    assertEquals(said, [0, 1, 2, 3].map((n) => `user: old${n}`).concat("user: new1", "user: new2"));
    assertEquals((await send(`GET /v1/responses/${chain[1]}`)).status, 200);
    assertEquals((await send(`DELETE /v1/responses/${chain[1]}`)).status, 200);
    const [, code, message] = await refusal(bench, next);
    assertEquals(code, "previous_response_not_found");
    assertStringIncludes(message, chain[1]!);
    const later = await write(9, [], 3);
    const got = await send(`GET /v1/responses/${later}`);
    assertEquals([got.status, (await got.json()).error.code], [503, "store_newer"]);
    assertEquals((await refusal(bench, later)).slice(0, 2), [503, "store_newer"]);
  },
);

on("take no id that was made up", async (bench) => {
  const { store } = bench;
  const core = newResponseId(true).slice("resp_".length);
  const far = `${core.slice(0, 17)}vvv${core.slice(20)}`;
  const ids: [string, string][] = [
    [`resp_${core}`, "previous_response_not_found"],
    [`resp_${core}w${core}y${core}`, "previous_response_not_found"],
    [`resp_${core}${`w${core}`.repeat(5)}`, "previous_response_not_found"],
    [`resp_${core}w`, "previous_response_not_found"],
    ["resp_../../x", "previous_response_not_found"],
    [`resp_${"a".repeat(100_000)}`, "invalid_value"],
    [`resp_${far}`, "context_length_exceeded"],
  ];
  for (const [id, code] of ids) {
    store.calls.length = 0;
    assertEquals((await refusal(bench, id))[1], code, id.slice(0, 200));
    assert(store.calls.length <= 1);
  }
  // The id of a stored response with another path is another id.
  const made = await turn(bench, "t");
  assertEquals((await bench.send(`GET /v1/responses/${made}w${core}`)).status, 404);
});

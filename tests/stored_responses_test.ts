/** Responses that are remembered: chains, branches, expiry, other orgs, deletion, items, limits, failures; on both stores. */
import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { finish, frame, role, sse, stream, text, usage } from "./support/chat_replies.ts";
import { nextResponseId, placeOf } from "../gateway/responses/response_ids.ts";
import { startRedis } from "./support/redis_server.ts";
import type { Rec } from "./support/response_shape.ts";
import {
  checked,
  STORE_KINDS,
  type StoredBench,
  storedBench,
  type StoreKind,
} from "./support/stored_bench.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

function say(words: string): ReturnType<typeof stream> {
  return stream(role(), text(words), finish("stop"), usage());
}

function on(
  criterion: string,
  test: (bench: StoredBench, kind: StoreKind) => Promise<void>,
  settings: Rec = {},
): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`stored responses ${criterion} (${kind})`, async () => {
      await using bench = await storedBench(kind, redis, settings);
      await test(bench, kind);
    });
  }
}

async function codeOf(response: Response): Promise<string> {
  const body = await response.json();
  return `${response.status} ${body.error?.code ?? "-"} ${body.error?.param ?? "-"}`;
}

on("form a chain of three turns, streamed and whole, and branch", async (bench) => {
  const { upstream, create, sent } = bench;
  upstream.enqueue(say("A1"), say("A2"), say("A3"), say("B3"));
  const first = await create({ input: "Q1", instructions: "be good" });
  const second = await create({ input: "Q2", previous_response_id: first.id }, true);
  assertEquals(second.previous_response_id, first.id);
  assertEquals(sent(), ["user: Q1", "assistant: A1", "user: Q2"]);
  await create({ input: [{ role: "user", content: "Q3" }], previous_response_id: second.id });
  const whole = ["user: Q1", "assistant: A1", "user: Q2", "assistant: A2"];
  assertEquals(sent(), [...whole, "user: Q3"]);
  await create({ input: "R3", previous_response_id: second.id, instructions: "be bad" });
  assertEquals(sent(), ["system: be bad", ...whole, "user: R3"]);
});

on("cost one write, and one read more to go on, however long the chain", async (bench) => {
  const { upstream, create, store } = bench;
  const calls: string[][] = [];
  let id: unknown;
  for (let n = 0; n < 5; n++) {
    upstream.enqueue(say("A"));
    id = (await create({ input: "Q", previous_response_id: id })).id;
    calls.push(store.calls.splice(0));
  }
  // The slots of the chain, and the place beside the last one.
  const reads = ["getMany 2", "getMany 3", "getMany 4", "getMany 5"];
  assertEquals(calls, [["put"], ...reads.map((read) => [read, "put"])]);
  upstream.enqueue(say("D"));
  await create({ input: "Q", store: false });
  assertEquals(store.calls, []);
});

on("cost one read more in branches of branches, and two beyond the fourth", async (bench) => {
  const { upstream, create, store, sent } = bench;
  const turn = async (input: string, previous?: unknown): Promise<unknown> => {
    upstream.enqueue(say(`a-${input}`));
    return (await create({ input, previous_response_id: previous })).id;
  };
  const reads = () => store.calls.splice(0).filter((call) => call.startsWith("getMany")).length;
  let fork = await turn("root");
  const words = ["user: root", "assistant: a-root"];
  for (let depth = 1; depth <= 6; depth++) {
    // The first takes the slot, so that what the second begins is a branch.
    await turn("other", fork);
    fork = await turn(`fork${depth}`, fork);
    words.push(`user: fork${depth}`, `assistant: a-fork${depth}`);
    reads();
    const next = await turn(`next${depth}`, fork);
    assertEquals(sent(), [...words, `user: next${depth}`]);
    assertEquals(reads(), depth <= 5 ? 1 : 2, `depth ${depth}`);
    fork = next;
    words.push(`user: next${depth}`, `assistant: a-next${depth}`);
    assert(String(fork).length < 200);
  }
});

on("are there before the terminal event is", async (bench) => {
  const { upstream, store, send } = bench;
  upstream.enqueue(say("A"));
  const gate = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  store.onPut = () => {
    begun.resolve();
    return gate.promise;
  };
  const response = await send("POST /v1/responses", {
    model: "mock-any",
    input: "Q",
    stream: true,
  });
  let said = "";
  const reading = (async () => {
    for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) said += piece;
  })();
  await begun.promise;
  assert(!said.includes("response.completed"));
  gate.resolve();
  await reading;
  assertStringIncludes(said, "response.completed");
});

on("that cannot be stored are answered all the same, and say so", async (bench) => {
  const { upstream, store, send, it, create } = bench;
  upstream.enqueue(say("A"), say("B"));
  store.onPut = () => Promise.reject(new Error("no store"));
  const response = await send("POST /v1/responses", { model: "mock-any", input: "Q" });
  assertEquals(response.headers.get("x-synth-stored"), "failed");
  const lost = await checked(response, false);
  const streamed = await create({ input: "Q" }, true);
  assertEquals(it.lines.filter((line) => line.includes('"stored":"failed"')).length, 2);
  for (const { id } of [lost, streamed]) {
    assertEquals(await codeOf(await send(`GET /v1/responses/${id}`)), "404 response_not_found -");
  }
});

on("that are too large are not stored", async (bench) => {
  const { upstream, send } = bench;
  upstream.enqueue(say("x".repeat(20_000)));
  const response = await send("POST /v1/responses", { model: "mock-any", input: "Q" });
  assertEquals(response.headers.get("x-synth-stored"), "too_large");
  const { id } = await checked(response, false);
  assertEquals((await send(`GET /v1/responses/${id}`)).status, 404);
}, { responses_max_bytes: 16_384 });

on("belong to one org, and to nobody else", async (bench) => {
  const { upstream, create, send } = bench;
  upstream.enqueue(say("A"));
  const { id, output } = await create({ input: "Q" });
  const b = { caller: "b" } as const;
  const missing = "404 response_not_found -";
  for (
    const [line, body] of [
      [`GET /v1/responses/${id}`],
      [`DELETE /v1/responses/${id}`],
      [`GET /v1/responses/${id}/input_items`],
      [`POST /v1/responses/${id}/cancel`, {}],
      [
        `POST /v1/responses/${id}/submit_tool_outputs`,
        { tool_outputs: [{ call_id: "c", output: "" }] },
      ],
    ] as const
  ) assertEquals(await codeOf(await send(line, body, b)), missing, line);
  const go = { model: "mock-any", input: "go", previous_response_id: id };
  for (const path of ["", "/input_tokens", "/compact"]) {
    assertEquals(
      await codeOf(await send(`POST /v1/responses${path}`, go, b)),
      "400 previous_response_not_found previous_response_id",
      path,
    );
  }
  const input = [{ type: "item_reference", id: (output as Rec[])[0]?.id }];
  assertEquals(
    await codeOf(await send("POST /v1/responses", { model: "mock-any", input }, b)),
    "400 item_not_found input[0]",
  );
  assertEquals(upstream.requests.length, 1);
  assertEquals((await send(`GET /v1/responses/${id}`)).status, 200);
});

on("are read back as they went out, and deleted", async (bench) => {
  const { upstream, create, send } = bench;
  upstream.enqueue(say("A"), say("B"));
  const made = await create({ input: "Q", metadata: { a: "b" } });
  const child = await create({ input: "Q2", previous_response_id: made.id });
  for (const prefix of ["/v1", "/api/v1", "/api/synth-research", "/api/synth-research/v1"]) {
    const got = await send(`GET ${prefix}/responses/${made.id}`);
    assertEquals([got.status, await got.json()], [200, made]);
  }
  assertEquals(
    await codeOf(await send(`GET /v1/responses/${made.id}?stream=true`)),
    "400 unsupported_parameter stream",
  );
  assertEquals(
    await codeOf(await send(`POST /v1/responses/${made.id}/cancel`)),
    "400 response_not_background -",
  );
  const deleted = await send(`DELETE /v1/responses/${made.id}`);
  assertEquals(await deleted.json(), { id: made.id, object: "response", deleted: true });
  assertEquals((await send(`DELETE /v1/responses/${made.id}`)).status, 404);
  const on = { model: "mock-any", input: "Q3", previous_response_id: child.id };
  const broken = await send("POST /v1/responses", on);
  const { error } = await broken.json();
  assertEquals([broken.status, error.code], [400, "previous_response_not_found"]);
  assertStringIncludes(String(error.hint ?? error.message), String(made.id));
});

on("with store: false are not there, and say why", async (bench) => {
  const { upstream, create, send, store } = bench;
  upstream.enqueue(say("A"));
  const { id } = await create({ input: "Q", store: false });
  assertEquals(await codeOf(await send(`GET /v1/responses/${id}`)), "404 response_not_found -");
  const body = { model: "mock-any", input: "Q", previous_response_id: id };
  assertEquals(
    await codeOf(await send("POST /v1/responses", body)),
    "400 previous_response_not_found previous_response_id",
  );
  const outputs = { tool_outputs: [{ call_id: "c", output: "" }] };
  assertEquals(
    await codeOf(await send(`POST /v1/responses/${id}/submit_tool_outputs`, outputs)),
    "400 response_not_stored -",
  );
  assertEquals(store.calls, []);
});

on("expire", async (bench, kind) => {
  const { upstream, create, send, pass } = bench;
  upstream.enqueue(say("A"));
  const { id } = await create({ input: "Q" });
  if (kind === "SQLite") {
    await pass(3_600_000 - 1);
    assertEquals((await send(`GET /v1/responses/${id}`)).status, 200);
    await pass(2);
    assertEquals((await send(`GET /v1/responses/${id}`)).status, 404);
    return;
  }
  const keys = (await redis.cli("--scan", "--pattern", `*${placeOf(String(id))!.slot}*`)).split(
    "\n",
  );
  const ttls = await Promise.all(keys.map((key) => redis.cli("PTTL", key)));
  assert(ttls.some((ttl) => Number(ttl) > 3_500_000 && Number(ttl) <= 3_600_000), ttls.join());
}, { responses_retention_hours: 1 });

on("list their input items in pages", async (bench) => {
  const { upstream, create, send } = bench;
  upstream.enqueue(say("A"), say("B"));
  const first = await create({ input: "before" });
  const input = [
    { role: "user", content: "one" },
    { type: "message", id: "mine", role: "assistant", content: "two" },
    { type: "function_call", call_id: "c", name: "f", arguments: "{}" },
    { type: "function_call_output", call_id: "c", output: "three" },
  ];
  const { id } = await create({ input, previous_response_id: first.id });
  const list = async (query: string): Promise<Rec> =>
    await (await send(`GET /v1/responses/${id}/input_items${query}`)).json();
  const all = await list("?order=asc");
  const data = all.data as Rec[];
  assertEquals(data.map((item) => item.type), [
    "message",
    "message",
    "function_call",
    "function_call_output",
  ]);
  assertEquals(data[0]?.content, [{ type: "input_text", text: "one" }]);
  assertEquals(data[1]?.id, "mine");
  assertEquals(new Set(data.map((item) => item.id)).size, 4);
  assertEquals([all.object, all.has_more, all.first_id], ["list", false, data[0]?.id]);
  assertEquals((await list("")).data, [...data].reverse());
  const page = await list(`?order=asc&limit=2&after=${data[0]?.id}`);
  assertEquals([page.data, page.has_more, page.last_id], [data.slice(1, 3), true, data[2]?.id]);
  for (const query of ["?limit=0", "?limit=101", "?order=up", "?after=none"]) {
    const response = await send(`GET /v1/responses/${id}/input_items${query}`);
    assertEquals([response.status, (await response.json()).error.code], [400, "invalid_value"]);
  }
});

on("lend their items to references", async (bench) => {
  const { upstream, create, send, sent } = bench;
  upstream.enqueue(say("A"), say("B"), say("C"));
  const first = await create({ input: "Q" });
  const items = (await (await send(`GET /v1/responses/${first.id}/input_items`)).json()).data;
  const refer = (id: unknown): Rec => ({ type: "item_reference", id });
  const input = [refer(items[0].id), refer((first.output as Rec[])[0]?.id), {
    role: "user",
    content: "R",
  }];
  const second = await create({ input });
  assertEquals(sent(), ["user: Q", "assistant: A", "user: R"]);
  await send(`DELETE /v1/responses/${first.id}`);
  await create({ input: "S", previous_response_id: second.id });
  assertEquals(sent(), ["user: Q", "assistant: A", "user: R", "assistant: B", "user: S"]);
});

on("that failed cannot be gone on from; those that are incomplete can", async (bench) => {
  const { upstream, create, send, sent } = bench;
  upstream.enqueue(
    sse([frame(text("par")), frame({ error: { message: "broken" } })]),
    stream(text("half"), finish("length"), usage()),
    say("C"),
  );
  const failed = await create({ input: "Q" }, true);
  assertEquals(failed.status, "failed");
  assertEquals((await (await send(`GET /v1/responses/${failed.id}`)).json()).status, "failed");
  const body = { model: "mock-any", input: "Q", previous_response_id: failed.id };
  assertEquals(
    await codeOf(await send("POST /v1/responses", body)),
    "400 previous_response_failed previous_response_id",
  );
  const half = await create({ input: "Q" });
  assertEquals(half.status, "incomplete");
  await create({ input: "go on", previous_response_id: half.id });
  assertEquals(sent(), ["user: Q", "assistant: half", "user: go on"]);
});

on("are linear in their chain, and one read: 1,000 turns", async (bench) => {
  const { upstream, create, store, sent, org } = bench;
  upstream.enqueue(say("A"));
  const root = await create({ input: "Q0" });
  const found = (await bench.responses.load(org, [String(root.id)]))[0]!;
  assert(typeof found !== "string");
  let last = found.stored;
  const read: number[] = [];
  store.bytes = 0;
  const written: number[] = [];
  for (let n = 1; n <= 1000; n++) {
    const previous = last.response.id;
    const id = nextResponseId(previous, true, false);
    // As a turn stores it, without the turn.
    last = { ...last, response: { ...last.response, id, previous_response_id: previous } };
    await bench.responses.save(org, last, { ttlMs: 3_600_000, maxBytes: 65_536 });
    if (![250, 500, 1000].includes(n)) continue;
    written.push(store.bytes);
    store.calls.length = 0;
    upstream.enqueue(say("A"));
    store.bytesRead = 0;
    await create({ input: `Q${n}`, previous_response_id: id, store: false });
    assertEquals(sent().length, 2 * (n + 1) + 1);
    assertEquals(store.calls, [`getMany ${n + 2}`]);
    read.push(store.bytesRead);
  }
  // Twice the turns are twice the bytes, written and read, within a twentieth.
  for (const [part, half] of [[1, 0], [2, 1]] as const) {
    for (const bytes of [written, read]) {
      const ratio = bytes[part]! / bytes[half]!;
      assert(ratio > 1.9 && ratio < 2.1, `${bytes}`);
    }
  }
});

on("lie unreadable in the store", async (bench) => {
  const { upstream, create, it, org } = bench;
  upstream.enqueue(say("the secret answer"));
  const { id } = await create({ input: "the secret question" });
  const documents = bench.store;
  const slot = placeOf(String(id))!.slot!;
  const document = await documents.get(org, "responses", slot);
  const lies = JSON.stringify(document);
  assert(lies.includes("gwr1.k.") && !lies.includes("secret"));
  assert(!it.lines.join().includes("secret"));
  // In another's place, or spoilt, it is not there, and said to be unreadable.
  const other = `resp_${"0".repeat(32)}`;
  await documents.put(org, "responses", other, document!.value);
  assertEquals((await bench.send(`GET /v1/responses/${other}`)).status, 404);
  await documents.put(org, "responses", other, { v: 2, sealed: "x" });
  assertEquals((await bench.send(`GET /v1/responses/${other}`)).status, 404);
});

on("compact: what was before a compaction is not sent again", async (bench) => {
  const { upstream, create, send, sent, store } = bench;
  upstream.enqueue(say("A1"), say("SUMMARY"), say("A3"), say("A4"), say("SECOND"));
  const first = await create({ input: "Q1" });
  const trigger = [{ type: "compaction_trigger" }];
  const second = await create({ input: trigger, previous_response_id: first.id });
  const third = await create({ input: "Q3", previous_response_id: second.id });
  assertEquals(sent().length, 2);
  assertStringIncludes(sent()[0] ?? "", "SUMMARY");
  const fourth = await create({ input: "Q4", previous_response_id: third.id });
  assertEquals(sent().length, 4);
  store.calls.length = 0;
  const made = await send("POST /v1/responses/compact", {
    model: "mock-any",
    previous_response_id: fourth.id,
  });
  const body = await made.json();
  assertEquals([made.status, body.object, body.output.length], [200, "response.compaction", 1]);
  assertEquals(body.output[0].type, "compaction");
  assert(body.usage.total_tokens > 0 && Number.isInteger(body.created_at));
  assertEquals(store.calls.includes("put"), false);
  upstream.enqueue(say("A5"));
  await create({ input: [...body.output, { role: "user", content: "Q5" }] });
  assertStringIncludes(sent()[0] ?? "", "SECOND");
});

on("compact and count only what is well formed", async (bench) => {
  const { upstream, send } = bench;
  assertEquals(
    await codeOf(await send("POST /v1/responses/compact", { input: "Q" })),
    "400 missing_required_parameter model",
  );
  const odd = { model: "mock-any", input: "Q", stream: true };
  assertEquals(
    await codeOf(await send("POST /v1/responses/compact", odd)),
    "400 unknown_parameter stream",
  );
  upstream.enqueue(stream(text("half a"), finish("length"), usage()));
  const half = await send("POST /v1/responses/compact", { model: "mock-any", input: "Q" });
  assertEquals(await codeOf(half), "502 compaction_incomplete -");
  const counts: number[] = [];
  for (const input of ["Q", "Q".repeat(400)]) {
    const counted = await send("POST /v1/responses/input_tokens", { model: "mock-any", input });
    assertEquals(counted.headers.get("x-bridge-usage"), "estimated");
    const body = await counted.json();
    assertEquals(body.object, "response.input_tokens");
    counts.push(body.input_tokens);
  }
  assertEquals(counts, [5, 104]);
  assertEquals(upstream.requests.length, 1);
});

on("truncate their history where that is asked for", async (bench) => {
  const { upstream, create, sent } = bench;
  upstream.enqueue(say("A1"), say("A2"));
  const first = await create({ input: "Q1" });
  const second = await create({ input: "Q2", previous_response_id: first.id });
  const { httpError } = await import("./support/chat_replies.ts");
  upstream.enqueue(httpError(400, "maximum context length is 8 tokens"), say("A3"), say("A4"));
  const third = await create({
    input: "Q3",
    previous_response_id: second.id,
    truncation: "auto",
  });
  assertEquals(sent(), ["user: Q3"]);
  await create({ input: "Q4", previous_response_id: third.id });
  assertNotEquals(sent().length, 2);
});

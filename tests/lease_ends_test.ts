/** How the lease of a call ends: charged where the model may have worked, given back where it has not, settled by what was counted. */
import { assert, assertEquals } from "@std/assert";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import {
  DONE,
  errorChunk,
  finish,
  frame,
  httpError,
  sse,
  text,
  usage,
} from "./support/chat_replies.ts";
import type { RawReply } from "./support/raw_http.ts";
import { RecordingAdmission } from "./support/recording_admission.ts";
import type { Rec } from "./support/response_shape.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock, startGateway, TEST_KEY } from "./support/test_gateway.ts";

const ASKS = [
  ["/v1/responses", { input: "hi" }],
  ["/v1/chat/completions", { messages: [{ role: "user", content: "hi" }] }],
] as const;

/** What the books say of one request, on each route, streamed and whole. */
async function booksOf(reply: () => RawReply, grant?: [number, number]): Promise<string[][]> {
  const books: string[][] = [];
  for (const [path, body] of ASKS) {
    for (const stream of [true, false]) {
      await using upstream = await startUpstream({ reply });
      const admission = new RecordingAdmission(...grant ?? []);
      await using it = await startGateway({
        baseUrl: upstream.baseUrl,
        clock: new ImpatientClock(),
        admission,
      });
      const answer = await it.post(path, { model: "up-m", ...body, stream });
      await answer.text();
      books.push(admission.book);
    }
  }
  return books;
}

const CHARGED = ["admit lease1", "charge lease1", "renew lease2", "charge lease2"];
const RELEASED = ["admit lease1", "release lease1"];

for (
  const [name, reply, expected] of [
    ["fails with 500", () => httpError(500, "broke"), CHARGED],
    ["fails with 502", () => httpError(502, "broke"), CHARGED],
    ["fails with 529", () => httpError(529, "broke"), CHARGED],
    ["resets the connection", () => sse([], { before: "reset" }), CHARGED],
    ["closes the connection", () => sse([], { before: "cut" }), CHARGED],
    [
      "redirects",
      () => ({ status: 302, headers: { location: "/x" }, steps: [] }),
      ["admit lease1", "charge lease1"],
    ],
    ["refuses with 400", () => httpError(400, "no"), RELEASED],
    ["refuses with 401", () => httpError(401, "no"), RELEASED],
    ["is busy (429)", () => httpError(429, "slow down"), RELEASED],
    ["is busy (503)", () => httpError(503, "slow down"), RELEASED],
  ] as [string, () => RawReply, string[]][]
) {
  Deno.test(`a lease whose upstream ${name} is ${expected === RELEASED ? "given back" : "charged"}`, async () => {
    for (const book of await booksOf(reply)) assertEquals(book, expected);
  });
}

Deno.test("a lease is given back for a refusal inside a stream, unless something was counted or said before it", async () => {
  const refusal = frame(errorChunk("slow down", 429));
  // Not of a whole Chat answer, for which no stream is asked.
  const last = async (...steps: string[]) =>
    (await booksOf(() => sse(steps))).slice(0, 3).map((book) => book.at(-1));
  assertEquals(await last(refusal, DONE), Array(3).fill("release lease1"));
  assertEquals(
    await last(frame(usage()), refusal, DONE),
    Array(3).fill("settle lease1 11+7 0"),
  );
  assertEquals(
    await last(frame(text("Hello")), refusal, DONE),
    Array(3).fill("settle lease1 estimated 5"),
  );
});

Deno.test("a lease for several choices lets each of them have the grant", async () => {
  // 16 bytes for each of 20 tokens, twice.
  for (const [bytes, expected] of [[310, "stop"], [400, "length"]] as const) {
    const gate = Promise.withResolvers<void>();
    const both = (members: (index: number) => Rec) =>
      [0, 1].map((index) => frame({ choices: [{ index, ...members(index) }] })).join("");
    await using upstream = await startUpstream({
      reply: () =>
        sse([
          both(() => ({ delta: { content: "x".repeat(bytes) } })),
          { wait: gate.promise },
          both(() => ({ delta: {}, finish_reason: "stop" })),
          DONE,
        ]),
    });
    const admission = new RecordingAdmission(20, 2);
    await using it = await startGateway({ baseUrl: upstream.baseUrl, admission });
    const answer = await it.post("/v1/chat/completions", {
      model: "up-m",
      stream: true,
      n: 2,
      messages: [{ role: "user", content: "hi" }],
    });
    let got = "";
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      got += piece;
      if (got.split("x").length > 2 * bytes) gate.resolve();
    }
    gate.resolve();
    const ends = [...got.matchAll(/"finish_reason":"(\w+)"/g)].map(([, reason]) => reason ?? "");
    assertEquals(ends, [expected, expected]);
  }
});

Deno.test("a sweep of leases keeps the isolate that it runs in", async () => {
  const real = await openSqliteLedger({ path: ":memory:" });
  const gate = Promise.withResolvers<void>();
  let swept = 0;
  const ledger = new Proxy(real, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== "expireLeases") return member.bind(target);
      return async (...given: unknown[]) => {
        await gate.promise;
        swept++;
        return await member.apply(target, given);
      };
    },
  });
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("Hello")), frame(finish("stop")), frame(usage()), DONE]),
  });
  await using it = await startGateway({ baseUrl: upstream.baseUrl, ledger });
  const kept: Promise<unknown>[] = [];
  const answer = await it.gateway.fetch(
    new Request("http://gateway.test/v1/responses", {
      method: "POST",
      headers: { authorization: `Bearer ${TEST_KEY}`, "content-type": "application/json" },
      body: JSON.stringify({ model: "up-m", input: "hi" }),
    }),
    { waitUntil: (promise) => void kept.push(promise) },
  );
  assertEquals(answer.status, 200);
  await answer.text();
  const over = Promise.all(kept).then(() => "over");
  const first = await Promise.race([
    over,
    new Promise((resolve) => setTimeout(resolve, 0, "kept")),
  ]);
  assertEquals(first, "kept");
  gate.resolve();
  assertEquals(await over, "over");
  assert(swept === 1);
});

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type FakeClock, type Json, SynthError } from "@synth/core";
import type { ChatRequest } from "../bridge/chat.ts";
import { limit } from "./ledger/testing/samples.ts";
import type { SessionLedger } from "./ledger/ledger.ts";
import { away, guessed, openBench, reported, WHO, withVerbs } from "./testing/admission_bench.ts";

/** The header that names a session. */
function at(id: string): Record<string, string> {
  return { "x-synth-session-id": id };
}

async function refused(admitted: Promise<unknown>): Promise<SynthError> {
  const error = await assertRejects(() => admitted);
  assert(error instanceof SynthError, String(error));
  return error;
}

/** Waits until something waits for the clock. */
async function timer(clock: FakeClock): Promise<void> {
  while (clock.pending === 0) await new Promise((resolve) => setTimeout(resolve, 0));
}

/** Lets the clock run until it is done. */
async function overTime<T>(clock: FakeClock, done: Promise<T>): Promise<T> {
  let over = false;
  const end = done.finally(() => over = true);
  end.catch(() => {});
  while (!over) await clock.tick(1000);
  return await end;
}

Deno.test("admit() holds the bound of input and output, and settle() charges what was reported", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 10_000), limit("cost", 10_000_000)]);
  const { lease, headers } = await it.admission.admit(it.request(at(id)));
  assertEquals(lease.maxOutputTokens, 100);
  const [held] = await it.books(id);
  assert(held > 300n && held < 500n, String(held));
  assertEquals(headers["x-synth-session-id"], id);
  assertEquals(headers["x-synth-remaining-tokens"], String(10_000n - held));
  await it.admission.settle(lease, { usage: reported(12, 7), outputBytes: 30 });
  await it.admission.settle(lease, { usage: reported(12, 7), outputBytes: 30 });
  const session = (await it.ledger.getSession(WHO.org, id))!;
  assertEquals(session.used, { tokens: 19n, cost: 40_000n, gpu_time: 0n, api_calls: 1n });
  assertEquals(await it.books(id), [0n, 19n, 0n]);
});

Deno.test("settle() takes the input at its bound and the output by its bytes where nothing was reported", async () => {
  await using it = await openBench();
  for (const [bytes, tokens] of [[40, 40], [5000, 100]] as const) {
    const id = await it.open([limit("tokens", 10_000)]);
    const { lease } = await it.admission.admit(it.request(at(id)));
    const [held] = await it.books(id);
    await it.admission.settle(lease, { usage: guessed(1, 1), outputBytes: bytes });
    assertEquals(await it.books(id), [0n, held - 100n + BigInt(tokens), 0n]);
    const [event] = await it.ledger.listUsage(WHO.org, { sessionId: id });
    assertEquals(event?.detail?.estimated, true);
    assertEquals(event?.detail?.outputTokens, tokens);
  }
});

Deno.test("settle() logs an overrun and books it beside the limit", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 500)]);
  const { lease } = await it.admission.admit(it.request(at(id)));
  const [held] = await it.books(id);
  await it.admission.settle(lease, { usage: reported(10, 2000), outputBytes: 8000 });
  assertEquals(await it.books(id), [0n, held, 2010n - held]);
  assertStringIncludes(it.lines.join(), `"overrun_tokens":"${2010n - held}"`);
  assertEquals(
    (await refused(it.admission.admit(it.request(at(id))))).code,
    "session_limit_exceeded",
  );
});

Deno.test("admit() opens one session for requests without one, and none when it refuses", async () => {
  await using it = await openBench({ sessions: { default_limit_cost_usd: 0.002 } });
  const first = await it.admission.admit(it.request());
  const second = await it.admission.admit(it.request({ "x-session-id": "an-agents-own-id" }));
  assertEquals(first.headers["x-synth-session-id"], second.headers["x-synth-session-id"]);
  assertEquals((await it.ledger.listSessions(WHO.org)).length, 1);
  await using poor = await openBench({ sessions: { default_limit_cost_usd: 0 } });
  await refused(poor.admission.admit(poor.request()));
  assertEquals(await poor.ledger.listSessions(WHO.org), []);
});

Deno.test("admit() asks for a session where none may be opened, and takes the active one", async () => {
  await using it = await openBench({ sessions: { auto_open: false } });
  const error = await refused(it.admission.admit(it.request()));
  assertEquals([error.status, error.code], [400, "session_required"]);
  const id = await it.open([limit("tokens", 10_000)], true);
  const { headers } = await it.admission.admit(it.request());
  assertEquals(headers["x-synth-session-id"], id);
});

Deno.test("admit() counts a request without a session against its key and its org", async () => {
  await using it = await openBench();
  const { org, keyId } = WHO;
  await it.ledger.addLimit({ org, kind: "key", id: keyId }, limit("tokens", 10_000));
  await it.ledger.addLimit({ org, kind: "org", id: org }, limit("api_calls", 1));
  const fields: Record<string, Json> = {};
  const outside = { ...it.request({ "x-no-session": "true" }), fields };
  const { lease, headers } = await it.admission.admit(outside);
  assertEquals(headers["x-synth-session-id"], undefined);
  // Who opts out is to be found in the log.
  assertEquals(fields["no_session"], true);
  await it.admission.settle(lease, { usage: reported(5, 5), outputBytes: 20 });
  assertEquals((await it.ledger.scope({ org, kind: "key", id: keyId }))?.used.tokens, 10n);
  const error = await refused(it.admission.admit(it.request({ "x-no-session": "true" })));
  assertEquals([error.code, error.details["scope"]], ["session_limit_exceeded", "org"]);
});

Deno.test("renew() charges the lease of the failed attempt and stays with its session", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 10_000)], true);
  const request = it.request();
  const { lease } = await it.admission.admit(request);
  const [held] = await it.books(id);
  await it.open([limit("tokens", 10_000)], true);
  const next = await it.admission.renew(lease, request).catch((error) => error as SynthError);
  // The session of the first attempt was ended by the new one.
  assert(next instanceof SynthError);
  assertEquals(next.code, "session_ended");
  assertEquals(await it.books(id), [0n, held, 0n]);

  const other = await it.open([limit("tokens", 10_000)]);
  const first = (await it.admission.admit(it.request(at(other)))).lease;
  const again = await it.admission.renew(first, it.request(at(other)));
  assertEquals(await it.books(other), [held, held, 0n]);
  await it.admission.settle(again, { usage: reported(5, 5), outputBytes: 20 });
  assertEquals(await it.books(other), [0n, held + 10n, 0n]);
});

Deno.test("renew() keeps to the limit: an attempt that may have been billed leaves less for the next", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 500)]);
  const { lease } = await it.admission.admit(it.request(at(id)));
  const error = await refused(it.admission.renew(lease, it.request(at(id))));
  assertEquals(error.code, "session_limit_exceeded");
  const [held, charged] = await it.books(id);
  assertEquals(held, 0n);
  assert(charged <= 500n && charged > 300n);
});

Deno.test("admit() waits 2 s for what others have reserved, then tries once more", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 500)]);
  const { lease } = await it.admission.admit(it.request(at(id)));
  const waiting = it.admission.admit(it.request(at(id)));
  await timer(it.clock);
  await it.clock.tick(1000);
  await it.admission.release(lease);
  await it.clock.tick(1000);
  const second = await waiting;
  assertEquals(second.lease.maxOutputTokens, 100);

  const late = refused(it.admission.admit(it.request(at(id))));
  await timer(it.clock);
  await it.clock.tick(2000);
  const error = await late;
  assertEquals([error.status, error.code], [429, "session_budget_reserved"]);
  assertEquals(error.headers["retry-after"], "1");
  assertEquals(it.clock.pending, 0);
});

Deno.test("release() gives all back, charge() keeps all, each once", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 10_000)]);
  const first = (await it.admission.admit(it.request(at(id)))).lease;
  const [held] = await it.books(id);
  await it.admission.release(first);
  await it.admission.charge(first);
  assertEquals(await it.books(id), [0n, 0n, 0n]);
  const second = (await it.admission.admit(it.request(at(id)))).lease;
  await it.admission.charge(second);
  await it.admission.release(second);
  await it.admission.settle(second, { usage: reported(1, 1), outputBytes: 4 });
  assertEquals(await it.books(id), [0n, held, 0n]);
});

Deno.test("admit() holds the output as often as it is asked for", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 100_000)]);
  const once = await it.admission.admit(it.request(at(id)));
  const [held] = await it.books(id);
  await it.admission.release(once.lease);
  const { lease } = await it.admission.admit(it.request(at(id), { chat: { n: 8 } }));
  assertEquals((await it.books(id))[0], held + 700n);
  assertEquals([lease.maxOutputTokens, lease.choices], [100, 8]);
  await it.admission.settle(lease, { usage: guessed(1, 1), outputBytes: 100_000 });
  assertEquals((await it.books(id))[1], held + 700n);
});

Deno.test("admit() grants less output rather than none, down to 16 tokens, or 1024 for a model that thinks", async () => {
  await using it = await openBench();
  const free = await it.open([limit("tokens", 100_000)]);
  await it.admission.admit(it.request(at(free), { requestedOutputTokens: 1 }));
  const input = (await it.books(free))[0] - 1n;
  for (
    const [room, effort, granted] of [
      [16n, undefined, 16],
      [15n, undefined, null],
      [1024n, "high", 1024],
      [1023n, "high", null],
      [1023n, "none", 1023],
    ] as const
  ) {
    const id = await it.open([limit("tokens", input + room)]);
    const chat = effort === undefined ? {} : { reasoning_effort: effort };
    const admitted = it.admission.admit(
      it.request(at(id), { chat, requestedOutputTokens: null }),
    );
    if (granted === null) {
      assertEquals((await refused(admitted)).code, "session_limit_exceeded");
    } else {
      assertEquals((await admitted).lease.maxOutputTokens, granted);
    }
  }
});

Deno.test("admit() knows the beginning of a conversation again and holds only what is new", async () => {
  await using it = await openBench();
  const id = await it.open([limit("tokens", 100_000)]);
  const question = { role: "user" as const, content: "x".repeat(20_000) };
  const request = it.request(at(id), { chat: { messages: [question] } });
  const { lease } = await it.admission.admit(request);
  await it.admission.settle(lease, { usage: reported(5000, 50), outputBytes: 200 });
  await it.admission.admit(it.request(at(id), {
    chat: {
      messages: [question, { role: "assistant", content: "yes" }, {
        role: "user",
        content: "more",
      }],
    },
  }));
  const [held] = await it.books(id);
  assert(held > 5100n && held < 5400n, String(held));
});

Deno.test("admit() refuses what has no price under a cost limit, and serves what is free", async () => {
  await using it = await openBench({ sessions: { default_limit_cost_usd: 0 } });
  const error = await refused(it.admission.admit(it.request({}, { model: it.model("m-new") })));
  assertEquals([error.status, error.code], [400, "price_unknown"]);
  assertStringIncludes(error.hint ?? "", '[models."m-new"]');
  await it.admission.admit(it.request({}, { model: it.model("m-free") }));
  await using open = await openBench({ sessions: { on_unknown_price: "allow" } });
  await open.admission.admit(open.request({}, { model: open.model("m-new") }));
});

Deno.test("admit() refuses what nothing bounds only where it counts", async () => {
  await using it = await openBench();
  const chat = { plugins: [{ id: "web" }] };
  const paid = await refused(it.admission.admit(it.request({}, { chat })));
  assertEquals([paid.status, paid.code, paid.param], [400, "unmeterable_field", "plugins"]);
  const model = it.model("m-free");
  await it.admission.admit(it.request({}, { chat, model }));
  const tokens = await it.open([limit("tokens", 10_000)]);
  const counted = await refused(it.admission.admit(it.request(at(tokens), { chat, model })));
  assertEquals(counted.code, "unmeterable_field");
  const calls = await it.open([limit("api_calls", 10)]);
  await it.admission.admit(it.request(at(calls), { chat }));
});

Deno.test("admit() names a part that nothing bounds by its place only where that is the client's", async () => {
  await using it = await openBench();
  const part = { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } };
  const chat = { messages: [{ role: "user", content: [part] }] } as Partial<ChatRequest>;
  const param = async (api: "chat" | "responses"): Promise<string | null> =>
    (await refused(it.admission.admit(it.request({}, { chat, api })))).param;
  assertEquals(await param("chat"), "messages[0].content[0]: image_url");
  assertEquals(await param("responses"), "input: image_url");
});

Deno.test("admit() refuses models whose output nothing caps, naming what to set", async () => {
  await using it = await openBench({ upstream: { profile: "uncapped" } });
  const error = await refused(it.admission.admit(it.request()));
  assertEquals(error.code, "unmeterable_field");
  assertStringIncludes(error.hint ?? "", "max_output_tokens");
});

Deno.test("admit() says 503 while the store is away, and serves unmetered where that is allowed", async () => {
  const wrap = (ledger: SessionLedger) =>
    withVerbs(ledger, { reserve: () => Promise.reject(away()) });
  await using it = await openBench({ wrap });
  const error = await refused(it.admission.admit(it.request()));
  assertEquals([error.status, error.code], [503, "budget_store_unavailable"]);
  assertEquals(error.headers["retry-after"], "2");
  await overTime(it.clock, Promise.all(it.background));
  assertStringIncludes(it.lines.join(), "could not be given back");
  await using open = await openBench({ wrap, sessions: { on_store_error: "open" } });
  const { lease, headers } = await open.admission.admit(open.request());
  assertEquals(lease.maxOutputTokens, null);
  assertEquals(headers["x-synth-budget-warning"], "unmetered");
  await open.admission.settle(lease, { usage: reported(1, 1), outputBytes: 4 });
  assertEquals(open.background.length, 0);
});

Deno.test("admit() says 503 when not even the active session can be read", async () => {
  const wrap = (ledger: SessionLedger) =>
    withVerbs(ledger, { activeSession: () => Promise.reject(away()) });
  await using it = await openBench({ wrap, sessions: { auto_open: false } });
  assertEquals((await refused(it.admission.admit(it.request()))).code, "budget_store_unavailable");
  const sessions = { auto_open: false, on_store_error: "open" };
  await using open = await openBench({ wrap, sessions });
  assertEquals((await open.admission.admit(open.request())).lease.maxOutputTokens, null);
});

Deno.test("admit() gives back a lease whose grant was not heard, whatever session it went to", async () => {
  for (const attach of ["named", "active", "none"]) {
    let lost = 2;
    await using it = await openBench({
      wrap: (ledger) =>
        withVerbs(ledger, {
          async reserve(input) {
            const outcome = await ledger.reserve(input);
            if (lost-- > 0) throw away("timeout");
            return outcome;
          },
        }),
    });
    const { org, keyId } = WHO;
    await it.ledger.addLimit({ org, kind: "key", id: keyId }, limit("tokens", 10_000));
    const id = await it.open([limit("tokens", 10_000)], true);
    const headers = { named: at(id), active: {}, none: { "x-no-session": "1" } }[attach];
    await refused(it.admission.admit(it.request(headers)));
    assertEquals(it.background.length, 1);
    await overTime(it.clock, Promise.all(it.background));
    assertEquals(await it.books(id), [0n, 0n, 0n], attach);
    const key = await it.ledger.scope({ org, kind: "key", id: keyId });
    assertEquals(key?.limits[0]?.held, 0n, attach);
  }
});

Deno.test("settle() and release() go on until the store is back", async () => {
  let failures = 0;
  await using it = await openBench({
    wrap: (ledger) =>
      withVerbs(ledger, {
        settle: (input) => failures-- > 0 ? Promise.reject(away()) : ledger.settle(input),
        release: (ref) => failures-- > 0 ? Promise.reject(away()) : ledger.release(ref),
      }),
  });
  const id = await it.open([limit("tokens", 10_000)]);
  for (const verb of ["settle", "release"] as const) {
    const { lease } = await it.admission.admit(it.request(at(id)));
    failures = 3;
    const done = verb === "release"
      ? it.admission.release(lease)
      : it.admission.settle(lease, { usage: reported(5, 5), outputBytes: 20 });
    await overTime(it.clock, done);
    assertEquals(await it.books(id), [0n, 10n, 0n]);
  }
  const { lease } = await it.admission.admit(it.request(at(id)));
  failures = 9;
  const given = refused(it.admission.release(lease));
  assertEquals((await overTime(it.clock, given)).code, "store_unavailable");
  assertEquals(failures, 5);
});

Deno.test("settle() does not wait for a store that we closed", async () => {
  await using it = await openBench({
    wrap: (ledger) => withVerbs(ledger, { settle: () => Promise.reject(away("closed")) }),
  });
  const { lease } = await it.admission.admit(it.request());
  await refused(it.admission.settle(lease, { usage: reported(1, 1), outputBytes: 4 }));
  assertEquals(it.clock.pending, 0);
});

Deno.test("renew() says 503 when the lease cannot be charged, and leaves it to its expiry", async () => {
  await using it = await openBench({
    wrap: (ledger) => withVerbs(ledger, { settle: () => Promise.reject(away()) }),
  });
  const id = await it.open([limit("tokens", 10_000)]);
  const { lease } = await it.admission.admit(it.request(at(id)));
  const [held] = await it.books(id);
  const error = await refused(it.admission.renew(lease, it.request(at(id))));
  assertEquals(error.code, "budget_store_unavailable");
  it.clock.jump(it.clock.now() + 660_000);
  assertEquals((await it.ledger.expireLeases(WHO.org)).expired, 1);
  assertEquals(await it.books(id), [0n, held, 0n]);
});

Deno.test("settle() loses no total that an upstream names without its parts", async () => {
  await using it = await openBench();
  for (const usage of [guessed(1, 1), { ...guessed(1, 1), inputReported: true, inputTokens: 10 }]) {
    const id = await it.open([limit("tokens", 10_000)]);
    const { lease } = await it.admission.admit(it.request(at(id)));
    await it.admission.settle(lease, { usage: { ...usage, statedTotal: 7000 }, outputBytes: 8 });
    assertEquals((await it.ledger.getSession(WHO.org, id))!.used.tokens, 7000n);
  }
});

Deno.test("settle() adds what came after the last count of an answer that was broken off, up to the grant", async () => {
  await using it = await openBench();
  for (const [uncountedBytes, tokens] of [[0, 11n], [40, 51n], [4000, 110n]] as const) {
    const id = await it.open([limit("tokens", 10_000)]);
    const { lease } = await it.admission.admit(it.request(at(id)));
    // A first count of one token, as some servers send it with the first chunk.
    await it.admission.settle(lease, {
      usage: reported(10, 1),
      outputBytes: uncountedBytes + 3,
      uncountedBytes,
    });
    assertEquals((await it.ledger.getSession(WHO.org, id))!.used.tokens, tokens);
    const [event] = await it.ledger.listUsage(WHO.org, { sessionId: id });
    assertEquals(event?.detail?.estimated, uncountedBytes > 0);
  }
});

Deno.test("settle() books an absurd report as far as it can be counted, and the lease is settled", async () => {
  await using it = await openBench();
  const id = await it.open([limit("cost", 9_000_000_000_000_000n)]);
  const paid = it.model("m-paid");
  const config = { ...paid.config, price: { input: "9999", output: "9999" } };
  const model = { ...paid, config: config as unknown as typeof paid.config };
  const { lease } = await it.admission.admit(it.request(at(id), { model }));
  await it.admission.settle(lease, { usage: reported(1e9, 1e9), outputBytes: 4 });
  const { used, limits } = (await it.ledger.getSession(WHO.org, id))!;
  assertEquals([used.tokens, used.cost], [2_000_000_000n, 4_000_000_000_000_000n]);
  assertEquals(limits[0]?.held, 0n);
});

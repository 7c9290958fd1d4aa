import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { FakeClock } from "./clock.ts";
import { SynthError } from "./errors.ts";
import { type FetchPolicy, fetchWithPolicy, parseRetryAfter } from "./http.ts";

type Step = Response | Error | "hang";

interface Script {
  policy: FetchPolicy;
  clock: FakeClock;
  calls: { at: number; method: string; body: string; redirect: string | undefined }[];
}

/** A fetch that plays its steps in order and notes when it was called. */
function script(steps: Step[], policy: FetchPolicy = {}): Script {
  const clock = new FakeClock();
  const calls: Script["calls"] = [];
  const fake = (async (input: string, init: RequestInit) => {
    const request = new Request(input, init);
    calls.push({
      at: clock.monotonic(),
      method: request.method,
      body: await request.text(),
      redirect: init.redirect,
    });
    const step = steps[calls.length - 1];
    if (step === "hang") {
      return await new Promise<Response>((_, reject) => {
        init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
      });
    }
    if (step instanceof Error) throw step;
    if (step === undefined) throw new Error("one call too many");
    return step;
  }) as typeof fetch;
  return { policy: { fetch: fake, clock, random: () => 0.5, ...policy }, clock, calls };
}

function answer(
  status: number,
  headers: Record<string, string> = {},
  body: string | null = null,
): Response {
  return new Response(body, { status, headers });
}

Deno.test("fetchWithPolicy tries an idempotent request again, with exponential backoff and jitter", async () => {
  const { policy, clock, calls } = script([
    answer(503),
    new TypeError("reset"),
    answer(200, {}, "ok"),
  ]);
  const pending = fetchWithPolicy("http://h/x", policy);
  await clock.tick(1000);
  const response = await pending;
  assertEquals(response.status, 200);
  assertEquals(await response.text(), "ok");
  assertEquals(calls.map((call) => call.at), [0, 100, 300]);
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy returns the last answer when the retries are used up", async () => {
  const { policy, clock, calls } = script([answer(503), answer(502), answer(429)]);
  const pending = fetchWithPolicy("http://h/x", policy);
  await clock.tick(10_000);
  assertEquals((await pending).status, 429);
  assertEquals(calls.length, 3);
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy does not repeat a POST, unless it has an idempotency key", async () => {
  const plain = script([answer(503)]);
  const post = new Request("http://h/x", { method: "POST", body: "b" });
  assertEquals((await fetchWithPolicy(post, plain.policy)).status, 503);
  assertEquals(plain.calls.length, 1);

  const keyed = script([answer(503), answer(201)]);
  const pending = fetchWithPolicy(
    new Request("http://h/x", { method: "POST", body: "b", headers: { "idempotency-key": "k" } }),
    keyed.policy,
  );
  await keyed.clock.tick(1000);
  assertEquals((await pending).status, 201);
  assertEquals(keyed.calls.map((call) => call.body), ["b", "b"]);
});

Deno.test("fetchWithPolicy asks retryOn", async () => {
  const { policy, clock, calls } = script([answer(418), answer(200)], {
    retryOn: ({ response }) => response?.status === 418,
  });
  const pending = fetchWithPolicy(new Request("http://h/x", { method: "POST", body: "b" }), policy);
  await clock.tick(1000);
  assertEquals((await pending).status, 200);
  assertEquals(calls.length, 2);
});

Deno.test("fetchWithPolicy does not repeat other answers", async () => {
  for (const status of [200, 302, 400, 401, 404, 409, 500]) {
    const { policy, calls } = script([answer(status)]);
    assertEquals((await fetchWithPolicy("http://h/x", policy)).status, status);
    assertEquals(calls.length, 1);
    assertEquals(calls[0]?.redirect, "manual");
  }
});

Deno.test("fetchWithPolicy waits as long as Retry-After says", async () => {
  const { policy, clock, calls } = script([answer(429, { "retry-after": "3" }), answer(200)]);
  const pending = fetchWithPolicy("http://h/x", policy);
  await clock.tick(10_000);
  assertEquals((await pending).status, 200);
  assertEquals(calls.map((call) => call.at), [0, 3000]);
});

Deno.test("fetchWithPolicy returns the refusal when Retry-After is past the deadline", async () => {
  const { policy, clock, calls } = script([answer(429, { "retry-after": "60" })], {
    deadlineMs: 5000,
  });
  assertEquals((await fetchWithPolicy("http://h/x", policy)).status, 429);
  assertEquals(calls.length, 1);
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy ends at the deadline", async () => {
  const { policy, clock } = script([new TypeError("reset"), "hang"], { deadlineMs: 5000 });
  const pending = assertRejects(() => fetchWithPolicy("http://h/x?token=hush", policy), SynthError);
  await clock.tick(5000);
  const error = await pending;
  assertEquals([error.status, error.code], [504, "deadline_exceeded"]);
  assertFalse(error.message.includes("hush"));
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy holds the deadline over the body", async () => {
  let cancelled = false;
  const stuck = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("a")),
    cancel: () => {
      cancelled = true;
    },
  });
  const { policy, clock } = script([new Response(stuck)], { deadlineMs: 5000 });
  const response = await fetchWithPolicy("http://h/x", policy);
  const pending = assertRejects(() => response.text(), SynthError);
  await clock.tick(5000);
  assertEquals((await pending).code, "deadline_exceeded");
  assert(cancelled);
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy lets a cancelled body go", async () => {
  const { policy, clock } = script([new Response("abc")]);
  const response = await fetchWithPolicy("http://h/x", policy);
  await response.body?.cancel();
  assertEquals(clock.pending, 0);
});

Deno.test("fetchWithPolicy rejects with the reason of the caller's signal", async () => {
  for (const early of [true, false]) {
    const controller = new AbortController();
    const reason = new Error("interrupted");
    if (early) controller.abort(reason);
    const { policy, clock, calls } = script(["hang"], { signal: controller.signal });
    const pending = assertRejects(
      () => fetchWithPolicy("http://h/x", policy),
      Error,
      "interrupted",
    );
    await clock.tick(1);
    controller.abort(reason);
    await pending;
    assertEquals(calls.length, early ? 0 : 1);
    assertEquals(clock.pending, 0);
  }
});

Deno.test("fetchWithPolicy names the host and hides the rest when nothing answers", async () => {
  const cause = new TypeError("connection refused");
  const { policy, clock } = script([cause, cause, cause]);
  const pending = assertRejects(
    () => fetchWithPolicy("http://h:81/x?api_key=hush", policy),
    SynthError,
  );
  await clock.tick(1000);
  const error = await pending;
  assertEquals([error.status, error.code], [503, "connection_failed"]);
  assertEquals(error.message, "Cannot reach http://h:81/x");
  assertEquals(error.cause, cause);
});

Deno.test("fetchWithPolicy works over a socket and does not follow redirects", async () => {
  let seen = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, (request) => {
    seen++;
    if (request.url.endsWith("/go")) return Response.redirect("http://127.0.0.1:1/", 302);
    return seen === 1 ? new Response("later", { status: 503 }) : Response.json({ n: seen });
  });
  const base = `http://127.0.0.1:${server.addr.port}`;
  const response = await fetchWithPolicy(`${base}/a`, { random: () => 0 });
  assertEquals(response.url, `${base}/a`);
  assertEquals(await response.json(), { n: 2 });
  const redirect = await fetchWithPolicy(`${base}/go`);
  assertEquals(redirect.status, 302);
  await redirect.body?.cancel();
  await server.shutdown();
});

Deno.test("parseRetryAfter reads all three forms", () => {
  const now = Date.UTC(2025, 5, 15, 12, 0, 0);
  const day = 24 * 3600 * 1000;
  const cases: [Record<string, string>, number | undefined][] = [
    [{}, undefined],
    [{ "retry-after": "3" }, 3000],
    [{ "retry-after": "0" }, 0],
    [{ "retry-after": "0.5" }, 500],
    [{ "retry-after": " 7 " }, 7000],
    [{ "retry-after": "Sun, 15 Jun 2025 12:00:30 GMT" }, 30_000],
    [{ "retry-after": "Sun, 15 Jun 2025 11:00:00 GMT" }, 0],
    [{ "retry-after": "Fri, 15 Jun 2035 11:00:00 GMT" }, day],
    [{ "retry-after": "999999999999" }, day],
    [{ "retry-after": "9".repeat(400) }, undefined],
    [{ "retry-after": "-1" }, undefined],
    [{ "retry-after": "1e3" }, undefined],
    [{ "retry-after": "soon" }, undefined],
    [{ "retry-after": "2025-06-15" }, undefined],
    [{ "retry-after": "Xyz, 99 Abc 2025 99:00:30 GMT" }, undefined],
    [{ "retry-after": "Infinity" }, undefined],
    [{ "retry-after-ms": "120" }, 120],
    [{ "retry-after-ms": "120.5", "retry-after": "9" }, 121],
    [{ "retry-after-ms": "x", "retry-after": "9" }, 9000],
  ];
  for (const [headers, expected] of cases) {
    assertEquals(parseRetryAfter(new Headers(headers), now), expected, JSON.stringify(headers));
  }
});

Deno.test("fetchWithPolicy fails the body of an answer that came in the turn of the abort", async () => {
  const gone = new AbortController();
  const response = await fetchWithPolicy("http://x.test/", {
    signal: gone.signal,
    fetch: () => {
      gone.abort(new Error("gone"));
      return Promise.resolve(new Response("late"));
    },
  });
  await assertRejects(() => response.text(), Error, "gone");
});

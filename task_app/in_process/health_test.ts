import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { type Clock, FakeClock, SynthError } from "@synth/core";
import { type HealthOptions, waitForHealth } from "./health.ts";

/** Answers in turn, the last for ever; a text is a connection that fails. */
function replies(...outcomes: (number | string)[]): typeof fetch & { calls: Request[] } {
  const calls: Request[] = [];
  const double = (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const outcome = outcomes[Math.min(calls.length, outcomes.length - 1)];
    calls.push(new Request(input, init));
    if (typeof outcome === "string") return Promise.reject(new TypeError(outcome));
    return Promise.resolve(new Response("", { status: outcome ?? 500 }));
  };
  return Object.assign(double, { calls });
}

function ask(double: typeof fetch, more: Partial<HealthOptions> = {}): Promise<void> {
  return waitForHealth({
    url: "http://127.0.0.1:8114",
    apiKey: "the-key",
    timeoutMs: 30_000,
    clock: fast(),
    fetch: double,
    ...more,
  });
}

Deno.test("waitForHealth asks until the app answers 200, with the key", async () => {
  const double = replies("refused", "refused", 503, 404, 200);
  await ask(double, { headers: { "cf-access-client-id": "id" } });
  assertEquals(double.calls.length, 5);
  const [request] = double.calls;
  assertEquals(request?.url, "http://127.0.0.1:8114/health");
  assertEquals(request?.headers.get("x-api-key"), "the-key");
  assertEquals(request?.headers.get("authorization"), "Bearer the-key");
  assertEquals(request?.headers.get("cf-access-client-id"), "id");
  assertEquals(request?.redirect, "manual");
});

Deno.test("waitForHealth takes a refused key for a failure at once, and for up when that is asked", async () => {
  for (const status of [400, 401, 403]) {
    const double = replies(status);
    const error = await assertRejects(() => ask(double), SynthError);
    assertEquals([error.code, double.calls.length], ["health_check_unauthorized", 1]);
    await ask(replies("refused", status), { unauthorizedIsUp: true });
    await ask(replies(status, 200), { patient: true });
  }
});

Deno.test("waitForHealth says what came last when the time is over", async () => {
  const cases: [number | string, string][] = [
    [302, "the last answer was 302"],
    ["connection refused", "connection refused"],
  ];
  for (const [outcome, text] of cases) {
    const error = await assertRejects(() => ask(replies(outcome)), SynthError);
    assertEquals([error.code, error.exitCode], ["health_check_failed", 6]);
    assertStringIncludes(error.message, "Health check failed");
    assertStringIncludes(error.message, text);
    assertEquals(error.message.includes("the-key"), false);
  }
});

Deno.test("waitForHealth gives up on a request that hangs, and obeys the signal", async () => {
  const clock = new FakeClock();
  const asked = Promise.withResolvers<void>();
  const hanging = (_: RequestInfo | URL, init?: RequestInit): Promise<Response> =>
    new Promise((_, reject) => {
      asked.resolve();
      init?.signal?.addEventListener("abort", () => reject(init.signal?.reason));
    });
  const failing = assertRejects(() => ask(hanging, { clock, timeoutMs: 4000 }), SynthError);
  await asked.promise;
  await clock.tick(4000);
  assertStringIncludes((await failing).message, "did not answer in time");
  const abort = new AbortController();
  const waiting = assertRejects(() => ask(hanging, { clock, signal: abort.signal }), Error, "stop");
  abort.abort(new Error("stop"));
  await waiting;
  assertEquals(clock.pending, 0);
});

/** A clock on which waits are over at once. */
function fast(): Clock {
  const clock = new FakeClock();
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after: (ms, fn) => clock.after(ms, fn),
    sleep: (ms) => clock.tick(ms),
  };
}

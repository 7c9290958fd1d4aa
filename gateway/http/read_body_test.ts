import { assertEquals, assertLess, assertRejects } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import { readBody } from "./read_body.ts";

function limits(clock: FakeClock = new FakeClock(), signal = new AbortController().signal) {
  return { maxBytes: 1000, timeoutMs: 5000, clock, signal };
}

function post(body: BodyInit, headers: Record<string, string>): Request {
  return new Request("http://gateway.test/", { method: "POST", body, headers });
}

Deno.test("readBody counts a body while it arrives where its length is not sure", async () => {
  const unsure: Record<string, string>[] = [
    // Two equal headers are one length to the server's parser, and their values come joined.
    { "content-length": "100000, 100000" },
    { "content-length": "" },
    { "content-length": "0x10" },
    // workerd shows both, and reads the chunks.
    { "content-length": "5", "transfer-encoding": "chunked" },
  ];
  for (const headers of unsure) {
    let pulled = 0;
    const endless = new ReadableStream({
      pull(controller) {
        if (++pulled > 64) controller.close();
        else controller.enqueue(new Uint8Array(600));
      },
    });
    const error = await assertRejects(() => readBody(post(endless, headers), limits()), SynthError);
    assertEquals(error.code, "body_too_large");
    assertLess(pulled, 10, JSON.stringify(headers));
  }
});

Deno.test("readBody reads a body of a declared length, and none", async () => {
  const five = await readBody(post("hello", { "content-length": "5" }), limits());
  assertEquals(new TextDecoder().decode(five), "hello");
  const empty = new Request("http://gateway.test/", { headers: { "content-length": "0" } });
  assertEquals((await readBody(empty, limits())).length, 0);
  assertEquals((await readBody(new Request("http://gateway.test/"), limits())).length, 0);
});

Deno.test("readBody refuses by the declared length, and by the true one", async () => {
  for (const length of ["1001", "5", "99999999999999999999"]) {
    const request = post("x".repeat(1001), { "content-length": length });
    const error = await assertRejects(() => readBody(request, limits()), SynthError);
    assertEquals(error.code, "body_too_large");
  }
});

Deno.test("readBody ends with its time or its signal, and a body that fails later is no failure", async () => {
  const clock = new FakeClock();
  const stop = new AbortController();
  for (
    const end of [
      () => clock.tick(5000),
      () => stop.abort(new SynthError("gone", { code: "gone" })),
    ]
  ) {
    let fail = (): void => {};
    const body = new ReadableStream({
      start(controller) {
        fail = () => controller.error(new Error("late"));
      },
    });
    const request = post(body, { "content-length": "5" });
    const reading = assertRejects(() => readBody(request, limits(clock, stop.signal)), SynthError);
    await end();
    assertEquals((await reading).code, stop.signal.aborted ? "gone" : "body_timeout");
    fail();
    await Promise.resolve();
  }
  assertEquals(clock.pending, 0);
});

/** Reload and drain. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FakeClock, SynthError } from "@synth/core";
import type { SynthConfig } from "@synth/core/config";
import { UnmeteredAdmission } from "@synth/gateway";
import { serveGateway } from "@synth/gateway/deno";
import { finish, frame, gate, sse, text, usage } from "./support/chat_replies.ts";
import { checkEvents, finalResponse, parseSseText } from "./support/response_invariants.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway, TEST_KEY, testConfig } from "./support/test_gateway.ts";

const BODY = { model: "up-model", input: "Say hi", stream: true };

/** An upstream whose answer ends when the gate opens. */
async function held(opened: Promise<void>) {
  return await startUpstream({
    reply: () =>
      sse([
        frame(text("Hel")),
        { wait: opened },
        frame(text("lo")),
        frame(finish("stop")),
        frame(usage()),
        "data: [DONE]\n\n",
      ]),
  });
}

/** Reads until the text has come. */
async function readUntil(reader: ReadableStreamDefaultReader<string>, mark: string) {
  let seen = "";
  while (!seen.includes(mark)) {
    const { value, done } = await reader.read();
    assert(!done, `the stream ended before ${mark}`);
    seen += value;
  }
  return seen;
}

async function readAll(reader: ReadableStreamDefaultReader<string>) {
  let seen = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) seen += next.value;
  return seen;
}

Deno.test("reload takes the new configuration, and running requests keep theirs", async () => {
  const { promise, open } = gate();
  await using first = await held(promise);
  await using second = await held(Promise.resolve());
  let config: SynthConfig = testConfig({ baseUrl: second.baseUrl });
  await using it = await startGateway({
    baseUrl: first.baseUrl,
    loadConfig: () => Promise.resolve(config),
  });
  const running = await it.post("/v1/responses", BODY);
  const reader = running.body!.pipeThrough(new TextDecoderStream()).getReader();
  const begun = await readUntil(reader, "output_text.delta");
  const answer = await it.post("/admin/reload", {});
  assertEquals([answer.status, await answer.json()], [200, { object: "reload", reloaded: true }]);
  assertEquals(
    finalResponse(await eventsOf(await it.post("/v1/responses", BODY))).status,
    "completed",
  );
  assertEquals([first.requests.length, second.requests.length], [1, 1]);
  open();
  const events = parseSseText(begun + await readAll(reader));
  assertEquals(checkEvents(events), []);
  config = testConfig({ baseUrl: first.baseUrl });
  await it.gateway.reload();
  await (await it.post("/v1/responses", BODY)).body?.cancel();
  assertEquals([first.requests.length, second.requests.length], [2, 1]);
});

Deno.test("reload refuses a bad configuration and says where it is bad", async () => {
  await using upstream = await held(Promise.resolve());
  await using it = await startGateway({
    baseUrl: upstream.baseUrl,
    loadConfig: () =>
      Promise.reject(
        new SynthError('Unknown key "modle" in synth.toml:12', {
          code: "config_invalid",
          status: 400,
          hint: 'Did you mean "model"?',
        }),
      ),
  });
  const answer = await it.post("/admin/reload", {});
  assertEquals(answer.status, 422);
  const { error } = await answer.json();
  assertEquals(error.code, "config_invalid");
  assertStringIncludes(error.message, "synth.toml:12");
  assertStringIncludes(error.message, "old configuration stays in force");
  assertEquals(
    finalResponse(await eventsOf(await it.post("/v1/responses", BODY))).status,
    "completed",
  );
});

Deno.test("reload refuses a key that cannot be read, without quoting the path's content", async () => {
  let fail = false;
  await using it = await startGateway({
    upstream: { api_key_file: "/keys/up" },
    secrets: {
      env: () => undefined,
      file: () => fail ? Promise.reject(new Error("canary-of-the-system")) : Promise.resolve("k\n"),
    },
    loadConfig: () => Promise.resolve(testConfig({ upstream: { api_key_file: "/keys/up" } })),
  });
  fail = true;
  const answer = await it.post("/admin/reload", {});
  assertEquals(answer.status, 422);
  const text = await answer.text();
  assertStringIncludes(text, "upstream_key_unreadable");
  assert(!text.includes("canary"));
});

Deno.test("reload without a loader is refused", async () => {
  await using it = await startGateway();
  const error = await assertRejects(() => it.gateway.reload(), SynthError);
  assertEquals((error as SynthError).code, "reload_unavailable");
});

Deno.test("createGateway refuses an unknown profile and a key that no header can carry", async () => {
  await assertRejects(
    () => startGateway({ upstream: { profile: "nope" } }),
    SynthError,
    "unknown profile",
  );
  const secrets = { env: () => "bad\r\nx-evil: 1" };
  const error = await assertRejects(
    () => startGateway({ upstream: { api_key_env: "K" }, secrets }),
    SynthError,
  );
  assertEquals((error as SynthError).code, "upstream_key_invalid");
  assert(!(error as SynthError).message.includes("evil"));
});

Deno.test("drain refuses new requests and lets open streams finish", async () => {
  const { promise, open } = gate();
  await using upstream = await held(promise);
  let closed = false;
  const store = {
    ping: () => Promise.resolve(),
    close: () => Promise.resolve(void (closed = true)),
  };
  const it = await startGateway({ baseUrl: upstream.baseUrl, store });
  const server = serveGateway(it.gateway, { hostname: "127.0.0.1", port: 0 });
  const headers = { authorization: `Bearer ${TEST_KEY}` };
  const response = await fetch(`${server.url}/v1/responses`, {
    method: "POST",
    headers,
    body: JSON.stringify(BODY),
  });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const begun = await readUntil(reader, "output_text.delta");
  assertEquals(it.gateway.active, 1);
  const stopped = server.stop();
  const refused = await fetch(`${server.url}/v1/responses`, {
    method: "POST",
    headers,
    body: JSON.stringify(BODY),
  });
  assertEquals(refused.status, 503);
  assertEquals(refused.headers.get("retry-after"), "1");
  assertEquals((await refused.json()).error.code, "shutting_down");
  assert(!closed, "the store is open while a stream runs");
  open();
  const events = parseSseText(begun + await readAll(reader));
  assertEquals(checkEvents(events), []);
  assertEquals(finalResponse(events).status, "completed");
  await stopped;
  assert(closed);
});

Deno.test("drain ends what does not finish within the grace time, with a terminal event", async () => {
  const clock = new FakeClock();
  await using upstream = await held(new Promise(() => {}));
  const it = await startGateway({ baseUrl: upstream.baseUrl, clock });
  const response = await it.post("/v1/responses", BODY);
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const begun = await readUntil(reader, "output_text.delta");
  const unary = it.post("/v1/responses", { ...BODY, stream: false });
  await upstream.request(1);
  const rest = readAll(reader);
  const drained = it.gateway.drain(5000);
  await clock.tick(5000);
  const events = parseSseText(begun + await rest);
  assertEquals(checkEvents(events), []);
  const final = finalResponse(events);
  assertEquals([final.status, (final.error as { code: string }).code], ["failed", "server_error"]);
  assertEquals((await unary).status, 503);
  await (await unary).body?.cancel();
  // A drain that interrupted leaves a moment for what is settled in the background.
  await clock.tick(5000);
  await drained;
  assertEquals(it.gateway.active, 0);
});

Deno.test("drain ends a stream that its client does not read", async () => {
  const clock = new FakeClock();
  await using upstream = await held(new Promise(() => {}));
  const it = await startGateway({ baseUrl: upstream.baseUrl, clock });
  const response = await it.post("/v1/responses", BODY);
  await upstream.request(0);
  const drained = it.gateway.drain(0);
  await clock.tick(0);
  await clock.tick(5000);
  await clock.tick(5000);
  await drained;
  await (await upstream.request(0)).closed;
  await response.body?.cancel();
});

Deno.test("drain does not wait for bodies that are still being sent", async () => {
  for (const headers of [{}, { "content-length": "100" }, { "content-encoding": "gzip" }]) {
    const clock = new FakeClock();
    const it = await startGateway({ clock });
    const body = new ReadableStream({ start: (c) => c.enqueue(new TextEncoder().encode("{")) });
    const answer = it.post("/v1/responses", null, { body, headers });
    await clock.tick(1);
    const drained = it.gateway.drain(5000);
    await clock.tick(6000);
    const response = await answer;
    assertEquals([response.status, (await response.json()).error.code], [503, "shutting_down"]);
    await drained;
  }
});

Deno.test("a late settlement is awaited by drain", async () => {
  const clock = new FakeClock();
  const settled = Promise.withResolvers<void>();
  await using upstream = await held(Promise.resolve());
  const admission = new UnmeteredAdmission();
  admission.settle = () => settled.promise;
  const it = await startGateway({ baseUrl: upstream.baseUrl, clock, admission });
  const answer = (await it.post("/v1/responses", BODY)).text();
  await upstream.request(0);
  while (it.gateway.active > 0) await clock.tick(2000);
  assertStringIncludes(await answer, "response.completed");
  let drained = false;
  const draining = it.gateway.drain(0).then(() => void (drained = true));
  await clock.tick(1000);
  assert(!drained);
  settled.resolve();
  await draining;
});

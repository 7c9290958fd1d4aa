/** The transport of Workers, on every scripted behaviour that can be told apart from the one on Deno. */
import { assertEquals, assertRejects } from "@std/assert";
import { fetchTransport } from "@synth/gateway/worker";
import { TransportError } from "@synth/gateway";
import { finish, frame, sse, stream, text, usage } from "./support/chat_replies.ts";
import { checkEvents, finalResponse } from "./support/response_invariants.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { eventsOf, startGateway } from "./support/test_gateway.ts";
import type { RawReply } from "./support/raw_http.ts";

const HELLO = stream(text("Hello"), finish("stop"), usage());
const CASES: readonly [string, RawReply, string][] = [
  ["a whole stream", HELLO, "completed"],
  ["a stream of single bytes", { ...HELLO, bytewise: true }, "completed"],
  ["a cut", sse([frame(text("Hel")), { fault: "cut" }]), "failed"],
  ["a reset", sse([frame(text("Hel")), { fault: "reset" }]), "failed"],
  [
    "a redirect",
    { status: 302, headers: { location: "http://127.0.0.1:1/" }, steps: [] },
    "failed",
  ],
  ["no answer", sse([], { before: "cut" }), "failed"],
];

for (const [name, reply, status] of CASES) {
  Deno.test(`fetchTransport carries ${name}`, async () => {
    await using upstream = await startUpstream({ reply: () => reply });
    await using it = await startGateway({ baseUrl: upstream.baseUrl, transport: fetchTransport() });
    const response = await it.post("/v1/responses", { model: "up-x", input: "x", stream: true });
    const events = await eventsOf(response);
    assertEquals(checkEvents(events), []);
    assertEquals(finalResponse(events).status, status);
  });
}

Deno.test("fetchTransport stops the upstream when its body is cancelled, and when the signal says so", async () => {
  await using upstream = await startUpstream({
    reply: () => sse([frame(text("Hel")), { fault: "stall" }]),
  });
  const send = (signal: AbortSignal) =>
    fetchTransport().send({
      url: new URL(`${upstream.baseUrl}/chat/completions`),
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "up-x",
        messages: [{ role: "user", content: "x" }],
        stream: true,
        stream_options: { include_usage: true },
      }),
      signal,
      connectTimeoutMs: 1000,
    });
  const first = await send(new AbortController().signal);
  await first.body.read();
  first.body.cancel();
  await (await upstream.request(0)).closed;
  const controller = new AbortController();
  const second = await send(controller.signal);
  await second.body.read();
  const read = second.body.read();
  controller.abort(new Error("enough"));
  const error = await assertRejects(() => read, TransportError);
  assertEquals([(error as TransportError).kind, (error as TransportError).phase], [
    "aborted",
    "body",
  ]);
  await (await upstream.request(1)).closed;
});

Deno.test("fetchTransport tells a refused connection from a request that may have been sent", async () => {
  const request = {
    url: new URL("http://127.0.0.1:1/v1/chat/completions"),
    method: "POST" as const,
    headers: {},
    body: "{}",
    signal: new AbortController().signal,
    connectTimeoutMs: 1000,
  };
  const refused = await assertRejects(() => fetchTransport().send(request), TransportError);
  // Deno's fetch does not say how far it came: then it counts as sent, since money may be gone.
  assertEquals((refused as TransportError).phase, "sent");
  const cause = Object.assign(new Error("x"), { code: "ECONNREFUSED" });
  const fetcher = () => Promise.reject(new TypeError("failed", { cause }));
  const known = await assertRejects(() => fetchTransport(fetcher).send(request), TransportError);
  assertEquals((known as TransportError).phase, "connect");
});

Deno.test("fetchTransport sends nothing for a request that is over, and says so: nothing was billed", async () => {
  let calls = 0;
  const transport = fetchTransport(() => {
    calls++;
    return Promise.resolve(new Response("{}"));
  });
  const error = await assertRejects(() =>
    transport.send({
      url: new URL("http://127.0.0.1:1/v1"),
      method: "POST",
      headers: {},
      body: "{}",
      signal: AbortSignal.abort(new Error("gone")),
      connectTimeoutMs: 1000,
    }), TransportError);
  assertEquals([calls, error.phase, error.kind], [0, "connect", "aborted"]);
});

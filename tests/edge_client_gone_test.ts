/** Runtimes that do not cancel the stream of a client that is gone tell it by a signal. */
import { assertEquals } from "@std/assert";
import { delta, frame, role, sse } from "./support/chat_replies.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { startGateway, TEST_KEY } from "./support/test_gateway.ts";

for (const stream of [true, false]) {
  const what = stream ? "a stream" : "a unary answer";
  Deno.test(`clientGone stops the upstream of ${what}, and the isolate is kept until then`, async () => {
    await using upstream = await startUpstream();
    await using world = await startGateway({ baseUrl: upstream.baseUrl });
    const begun = sse([frame(role()), frame(delta({ content: "Hello" }))]);
    upstream.enqueue({ ...begun, steps: [...begun.steps, { fault: "stall" }] });
    const client = new AbortController();
    const kept: Promise<unknown>[] = [];
    const answering = world.gateway.fetch(
      new Request("http://gateway.test/v1/responses", {
        method: "POST",
        headers: { authorization: `Bearer ${TEST_KEY}`, "content-type": "application/json" },
        body: JSON.stringify({ model: "mock-x", input: "Hi", stream }),
      }),
      { clientGone: client.signal, waitUntil: (promise) => void kept.push(promise) },
    );
    const asked = await upstream.request(0);
    const reader = stream ? (await answering).body?.getReader() : undefined;
    await reader?.read();
    client.abort();
    await asked.closed;
    await Promise.all(kept);
    assertEquals(world.gateway.active, 0);
    if (!stream) assertEquals((await answering).status, 499);
    await reader?.cancel();
  });
}

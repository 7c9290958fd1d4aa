/** `gateway/runtime/deploy.ts` under `deno serve`, with nothing allowed but the network and the environment. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { billConfig } from "./support/budget_upstream.ts";
import { delta, DONE, finish, frame, role, sse } from "./support/chat_replies.ts";
import { edgeEnvironment, startDeploy } from "./support/edge.ts";
import { startRedis } from "./support/redis_server.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { startUpstashProxy } from "./support/upstash_proxy.ts";

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`deploy streams, and finishes what is open at ${signal}`, async () => {
    await using upstream = await startUpstream();
    await using redis = await startRedis();
    await using proxy = await startUpstashProxy(redis.url);
    const env = edgeEnvironment(billConfig(upstream.baseUrl), proxy);
    await using gateway = await startDeploy(env);
    const health = await gateway.ask(0, "GET", "/health");
    assertEquals(health.status, 200);
    await health.body?.cancel();

    const gate = Promise.withResolvers<void>();
    const whole = sse([
      frame(role()),
      frame(delta({ content: "Hel" })),
      frame(delta({ content: "lo" })),
      frame(finish("stop")),
      DONE,
    ]);
    const [first = "", second = "", ...rest] = whole.steps;
    upstream.enqueue({ ...whole, steps: [first, second, { wait: gate.promise }, ...rest] });
    const request = { model: "up-a", input: "Hi", stream: true };
    const response = await gateway.ask(0, "POST", "/v1/responses", request);
    assertEquals(response.status, 200);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader?.read())?.value ?? "";
    const ending = gateway.end(signal);
    gate.resolve();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
      text += part.value;
    }
    assertStringIncludes(text, '"type":"response.completed"');
    assert(text.trimEnd().endsWith("[DONE]"), text.slice(-200));
    const { code, signal: killedBy } = await ending;
    assertEquals({ code, killedBy }, { code: 0, killedBy: null }, gateway.output());
  });
}

Deno.test("deploy answers 503 with what its environment lacks, and ends at SIGTERM", async () => {
  await using gateway = await startDeploy({ SYNTH_API_KEY: "sk-synth-0123456789abcdef" });
  const response = await gateway.ask(0, "GET", "/health");
  assertEquals(response.status, 503);
  const { error } = await response.json();
  assertEquals(error.code, "edge_variable_missing");
  assertStringIncludes(error.message, "SYNTH_SEAL_KEYS");
});

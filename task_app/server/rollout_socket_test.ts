import { assert, assertEquals, assertRejects } from "@std/assert";
import type { RolloutContext } from "../contract/task_app_config.ts";
import { echoApp, goodAnswer, KEY, rolloutBody } from "../testing/echo_app.ts";
import type { TaskApp } from "./task_app.ts";

interface Served extends AsyncDisposable {
  readonly url: string;
}

function serve(app: TaskApp): Served {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, app.fetch);
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function post(url: string, signal: AbortSignal | null = null): Promise<Response> {
  return fetch(`${url}/rollout`, {
    method: "POST",
    headers: { "x-api-key": KEY },
    body: JSON.stringify(rolloutBody()),
    signal,
  });
}

Deno.test("a rollout is aborted when its client goes, and its place is free again", async () => {
  const begun = Promise.withResolvers<RolloutContext>();
  const aborted = Promise.withResolvers<void>();
  let calls = 0;
  const { app } = echoApp({
    limits: { maxConcurrentRollouts: 1 },
    rollout: (_, context) => {
      if (calls++ > 0) return goodAnswer();
      begun.resolve(context);
      return new Promise((_, reject) =>
        context.signal.addEventListener("abort", () => {
          reject(context.signal.reason);
          aborted.resolve();
        })
      );
    },
  });
  await using server = serve(app);
  const client = new AbortController();
  const pending = post(server.url, client.signal);
  const { signal } = await begun.promise;
  assertEquals((await (await post(server.url)).json()).error.code, "too_many_rollouts");
  client.abort();
  await assertRejects(() => pending);
  await aborted.promise;
  assertEquals(signal.reason.code, "client_disconnected");
  assertEquals((await (await post(server.url)).json()).run_id, "run-1");
});

Deno.test("over a socket: concurrency is bounded, HEAD has no body, the deadline is kept", async () => {
  const gate = Promise.withResolvers<void>();
  let running = 0;
  const full = Promise.withResolvers<void>();
  const { app } = echoApp({
    limits: { maxConcurrentRollouts: 3 },
    rollout: async (request) => {
      if (request.run_id === "slow") return await new Promise(() => {});
      if (++running === 3) full.resolve();
      await gate.promise;
      return goodAnswer();
    },
  });
  await using server = serve(app);
  const three = [post(server.url), post(server.url), post(server.url)];
  await full.promise;
  const more = await Promise.all([post(server.url), post(server.url)]);
  for (const response of more) {
    assertEquals([response.status, response.headers.get("retry-after")], [429, "1"]);
    await response.body?.cancel();
  }
  gate.resolve();
  for (const response of await Promise.all(three)) {
    assertEquals(response.status, 200);
    await response.body?.cancel();
  }
  const head = await fetch(server.url, { method: "HEAD" });
  assertEquals([head.status, await head.text()], [200, ""]);
  const slow = await fetch(`${server.url}/rollout`, {
    method: "POST",
    headers: { "x-api-key": KEY },
    body: JSON.stringify(rolloutBody({ run_id: "slow", safety: { max_time_s: 0.02 } })),
  });
  assertEquals([slow.status, (await slow.json()).error.code], [504, "rollout_timed_out"]);
});

Deno.test("over a socket: a body over the limit is refused, whatever its length says", async () => {
  const { app } = echoApp({ limits: { maxBodyBytes: 1000 } });
  await using server = serve(app);
  let sent = 0;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 500;
      if (sent > 50_000_000) controller.close();
      else controller.enqueue(new Uint8Array(500).fill(32));
    },
  });
  const response = await fetch(`${server.url}/rollout`, {
    method: "POST",
    headers: { "x-api-key": KEY },
    body: endless,
  });
  assertEquals([response.status, (await response.json()).error.code], [413, "body_too_large"]);
  assert(sent < 50_000_000);
});

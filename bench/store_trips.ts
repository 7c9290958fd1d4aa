/**
 * Round trips to the store that one request makes, counted by the Upstash proxy: before the upstream is called, and in all.
 *
 *     deno run -A bench/store_trips.ts
 *
 * @module
 */
import { startRedis } from "../tests/support/redis_server.ts";
import { startGatewayProcess } from "../tests/support/gateway_process.ts";
import { startUpstashProxy, type UpstashProxy } from "../tests/support/upstash_proxy.ts";

/** Round trips of one request. */
export interface StoreTrips {
  readonly request: string;
  /** Before the first byte went to the upstream. */
  readonly before: number;
  /** With what settling took. */
  readonly all: number;
}

const ANSWER = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "bench",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 },
};

/** Starts Redis, the proxy and a gateway on it, and sends a few requests one after the other. */
export async function countStoreTrips(): Promise<StoreTrips[]> {
  await using redis = await startRedis();
  await using proxy = await startUpstashProxy(redis.url);
  let atUpstream = 0;
  await using upstream = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => {
    atUpstream = proxy.roundTrips;
    return Response.json(ANSWER);
  });
  await using gateway = await startGatewayProcess({
    config: configText(`http://127.0.0.1:${upstream.addr.port}/v1`),
    env: { UPSTASH_REDIS_REST_URL: proxy.url, UPSTASH_REDIS_REST_TOKEN: proxy.token },
  });
  const origin = { authorization: `Bearer ${gateway.apiKey}`, "content-type": "application/json" };
  const makeKey = async (): Promise<string> => {
    const made = await fetch(`${gateway.origin}/api/v1/keys`, {
      method: "POST",
      headers: origin,
      body: JSON.stringify({ user_id: "bench", scopes: ["infer"] }),
    });
    return (await made.json()).key;
  };
  let key = await makeKey();
  const trips: StoreTrips[] = [];
  const ask = async (request: string): Promise<void> => {
    const start = proxy.roundTrips;
    const answer = await fetch(`${gateway.origin}/v1/responses`, {
      method: "POST",
      headers: { ...origin, authorization: `Bearer ${key}` },
      body: JSON.stringify({ model: "bench", input: "Say hello", store: false }),
    });
    if (answer.status !== 200) throw new Error(await answer.text());
    await answer.body?.cancel();
    await settled(proxy);
    trips.push({ request, before: atUpstream - start, all: proxy.roundTrips - start });
  };
  await ask("first of a store: scripts are sent, a session is opened");
  await ask("warm");
  key = await makeKey();
  await ask("first of another key");
  await ask("warm");
  return trips;
}

/** What goes on behind an answer is over when the count stands still. */
async function settled(proxy: UpstashProxy): Promise<void> {
  for (let last = -1; last !== proxy.roundTrips;) {
    last = proxy.roundTrips;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function configText(upstream: string): string {
  return `
[gateway]
store = "upstash"
[upstreams.bench]
base_url = "${upstream}"
[models.bench]
upstream = "bench"
price = { input = 0.075, output = 0.30 }
context_window = 131072
max_output_tokens = 4096
`;
}

if (import.meta.main) {
  const lines = (await countStoreTrips()).map((trips) => JSON.stringify(trips));
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

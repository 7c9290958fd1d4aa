/** Round trips to the store, counted on the wire. */
import { assertEquals } from "@std/assert";
import { Authenticator, KeyStore } from "@synth/core/auth";
import { RedisDocumentStore } from "@synth/core/storage";
import { UpstashTransport } from "@synth/core/storage/upstash";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { RedisLedger } from "../gateway/sessions/ledger/ledger_redis.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import { startBillingUpstream } from "./support/budget_upstream.ts";
import { startRedis } from "./support/redis_server.ts";
import { ImpatientClock } from "./support/test_gateway.ts";
import { startUpstashProxy } from "./support/upstash_proxy.ts";

const HELLO = { model: "up-a", input: "Say hi", max_output_tokens: 50 };
const CHAT = { model: "up-a", messages: [{ role: "user", content: "Hi" }], max_tokens: 50 };

Deno.test("a request takes one round trip before the upstream and one after, two before with a cold key", async () => {
  await using redis = await startRedis();
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  const ledger = new RedisLedger(transport);
  const keys = new KeyStore(new RedisDocumentStore(transport));
  const { key } = await keys.create({
    org: "org-a",
    user: "me",
    name: "test",
    scopes: ["infer"],
  });
  let before = -1;
  await using upstream = await startBillingUpstream({
    wanted: () => {
      before = proxy.roundTrips;
      return 20;
    },
  });
  /** Round trips of one request until the upstream has it, and after. */
  async function measure(
    gateway: Awaited<ReturnType<typeof startBudgetGateway>>,
    body: Record<string, unknown>,
    headers: Record<string, string> = {},
  ): Promise<[number, number]> {
    const start = proxy.roundTrips;
    const path = "messages" in body ? "/v1/chat/completions" : "/v1/responses";
    const answer = await gateway.ask(body, { authorization: `Bearer ${key}`, ...headers }, path);
    assertEquals(answer.status, 200, await answer.text());
    await gateway.settled();
    return [before - start, proxy.roundTrips - before];
  }
  const start = () =>
    startBudgetGateway({
      baseUrl: upstream.baseUrl,
      ledger,
      clock: new ImpatientClock(),
      authenticator: new Authenticator({ keys }),
    });
  const id = await openIn(ledger, [hard("tokens", 1_000_000), hard("cost", 1_000_000_000)]);
  const named = { "x-synth-session-id": id };
  // The scripts travel once in the life of a Redis.
  await using first = await start();
  await measure(first, HELLO, named);
  await measure(first, HELLO);
  await using gateway = await start();
  // The third is the first look of this gateway at leases that nobody settled.
  assertEquals(await measure(gateway, HELLO, named), [2, 2]);
  for (const body of [HELLO, { ...HELLO, stream: true }, CHAT, { ...CHAT, stream: true }]) {
    assertEquals(await measure(gateway, body, named), [1, 1]);
    assertEquals(await measure(gateway, body), [1, 1], "auto-attached");
    assertEquals(await measure(gateway, body, { "x-no-session": "true" }), [1, 1]);
  }
});

Deno.test("going on from a stored response takes one round trip more before the upstream, at any turn", async () => {
  await using redis = await startRedis();
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  let before = -1;
  await using upstream = await startBillingUpstream({
    wanted: () => {
      before = proxy.roundTrips;
      return 20;
    },
  });
  await using gateway = await startBudgetGateway({
    baseUrl: upstream.baseUrl,
    ledger: new RedisLedger(transport),
    clock: new ImpatientClock(),
    documents: new RedisDocumentStore(transport),
    sealer: createSealer(parseSealKeys(generateSealKey("k"))),
  });
  const counts: [number, number][] = [];
  let previous: string | undefined;
  for (let turn = 0; turn < 12; turn++) {
    const start = proxy.roundTrips;
    const headers = { "x-no-session": "true" };
    const asked = {
      ...HELLO,
      ...(previous === undefined ? {} : { previous_response_id: previous }),
    };
    const answer = await gateway.ask(asked, headers);
    const body = await answer.json();
    assertEquals(answer.status, 200, JSON.stringify(body));
    await gateway.settled();
    previous = body.id;
    counts.push([before - start, proxy.roundTrips - before]);
  }
  // The scripts have travelled, and leases that nobody settled were looked for. Behind the answer it is settled and stored.
  for (const count of counts.slice(4)) assertEquals(count, [2, 2]);
});

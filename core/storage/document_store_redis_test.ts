import { assert, assertEquals } from "@std/assert";
import { startRedis } from "../../tests/support/redis_server.ts";
import { startUpstashProxy } from "../../tests/support/upstash_proxy.ts";
import { RedisDocumentStore } from "./document_store_redis.ts";
import type { RedisPort } from "./redis.ts";
import { RespTransport } from "./redis_resp.ts";
import { UpstashTransport } from "./redis_upstash.ts";
import {
  documentStoreContract,
  type DocumentStoreSubject,
} from "./testing/document_store_contract.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

documentStoreContract("RedisDocumentStore over RESP", () =>
  Promise.resolve(subjectOn([
    new RespTransport({ url: redis.url }),
    new RespTransport({ url: redis.url }),
    new RespTransport({ url: redis.url }),
  ])));

documentStoreContract("RedisDocumentStore over Upstash's REST protocol", async () => {
  const proxy = await startUpstashProxy(redis.url);
  const transport = () => new UpstashTransport({ url: proxy.url, token: proxy.token });
  return subjectOn([transport(), transport(), transport()], proxy);
}, 12);

Deno.test("RedisDocumentStore is exact when answers are lost and requests doubled", async () => {
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({
    url: proxy.url,
    token: proxy.token,
    deadlineMs: 10_000,
  });
  const store = new RedisDocumentStore(transport);
  const org = newOrg();
  await store.put(org, "c", "n", 0);
  for (let n = 0; n < 30; n++) {
    const seen = await store.get(org, "c", "n");
    proxy.inject(n % 2 === 0 ? "drop_after" : "duplicate");
    const put = await store.put(org, "c", "n", Number(seen?.value) + 1, {
      ifVersion: seen?.version ?? 0,
    });
    assertEquals(put?.version, n + 2);
  }
  assertEquals((await store.get(org, "c", "n"))?.value, 30);
  for (const fault of ["drop_after", "duplicate"] as const) {
    await store.put(org, "c", fault, 1, { index: "i" });
    proxy.inject(fault);
    assertEquals(await store.delete(org, "c", fault), true);
    assertEquals(await store.count(org, "c", { index: "i" }), 0);
  }
  await transport.close();
});

Deno.test("RedisDocumentStore needs one round trip for each verb, two for a list", async () => {
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  const store = new RedisDocumentStore(transport);
  const org = newOrg();
  const verbs = [
    () => store.put(org, "c", "a", 1),
    () => store.get(org, "c", "a"),
    () => store.getMany(org, "c", ["a", "b", "c"]),
    () => store.list(org, "c"),
    () => store.count(org, "c"),
    () => store.delete(org, "c", "a"),
  ];
  const trips: number[] = [];
  for (const round of ["scripts become known", "counted"]) {
    for (const verb of verbs) {
      const before = proxy.roundTrips;
      await verb();
      if (round === "counted") trips.push(proxy.roundTrips - before);
    }
  }
  assertEquals(trips, [1, 1, 1, 2, 1, 1]);
  await transport.close();
});

Deno.test("RedisDocumentStore lists past many expired documents and leaves nothing of them", async () => {
  const port = new RespTransport({ url: redis.url });
  const store = new RedisDocumentStore(port);
  const org = newOrg();
  const ids = Array.from({ length: 1500 }, (_, n) => `d${n}`);
  await store.put(org, "c", "first", 1);
  await Promise.all(ids.map((id) => store.put(org, "c", id, 1, { index: "i", ttlMs: 200 })));
  await store.put(org, "c", "last", 1);
  await pass(port, 200);
  const page = await store.list(org, "c", { limit: 1, order: "oldest" });
  assertEquals(page.documents.map((document) => document.id), ["first"]);
  assert(page.cursor !== null);
  const [left] = await port.pipeline([["ZCARD", `synth:v1:{${org}}:doclist:c`]]);
  assert(Number(left) <= 2602, `the list still has ${left} of 3002 places`);
  const next = await store.list(org, "c", { limit: 1, order: "oldest", cursor: page.cursor });
  assertEquals(next.documents.map((document) => document.id), ["last"]);
  assertEquals(await store.count(org, "c", { index: "i" }), 0);
  const sizes = await port.pipeline([
    ["ZCARD", `synth:v1:{${org}}:doclist:c`],
    ["EXISTS", `synth:v1:{${org}}:docexp:c`],
  ]);
  assertEquals(sizes, [2, 0]);
  await port.close();
});

Deno.test("RedisDocumentStore lists nothing at a place that it has left meanwhile", async () => {
  const port = new RespTransport({ url: redis.url });
  const store = new RedisDocumentStore(port);
  const org = newOrg();
  let meanwhile: (() => Promise<unknown>) | null = null;
  const disturbed = new RedisDocumentStore({
    transport: "resp",
    script: (...args) => port.script(...args),
    async pipeline(commands) {
      const disturb = meanwhile;
      meanwhile = null;
      await disturb?.();
      return await port.pipeline(commands);
    },
    close: () => port.close(),
  });
  for (const id of ["a", "b", "d"]) await store.put(org, "c", id, 1, { index: "i" });
  const listed = async () => {
    const page = await disturbed.list(org, "c", { index: "i", limit: 2, order: "oldest" });
    return [...page.documents.map((document) => document.id), page.cursor !== null];
  };
  meanwhile = async () => {
    await store.delete(org, "c", "a");
    await store.put(org, "c", "a", 2, { index: "i" });
  };
  assertEquals(await listed(), ["b", "d", true]);
  meanwhile = () => store.put(org, "c", "b", 2, { index: "j" });
  assertEquals(await listed(), ["d", "a", false]);
  await port.close();
});

Deno.test("RedisDocumentStore lets a collection go with its last document", async () => {
  const port = new RespTransport({ url: redis.url });
  const store = new RedisDocumentStore(port);
  const org = newOrg();
  const list = `synth:v1:{${org}}:doclist:c`;
  const lifetime = async () => Number((await port.pipeline([["PTTL", list]]))[0]);
  await store.put(org, "c", "a", 1, { ttlMs: 1_000_000 });
  const long = await lifetime();
  assert(long > 1_000_000 && long <= 1_060_000, String(long));
  await store.put(org, "c", "b", 1, { ttlMs: 1000 });
  assert(await lifetime() > 900_000);
  await store.put(org, "c", "b", 1, { ttlMs: null });
  assertEquals(await lifetime(), -1);
  await store.put(org, "c", "d", 1, { ttlMs: 1000 });
  assertEquals(await lifetime(), -1);
  const keys = (await redis.cli("--scan", "--pattern", `*${org}*`)).split("\n");
  assert(keys.every((key) => key.startsWith(`synth:v1:{${org}}:`)), keys.join(" "));
  await port.close();
});

function newOrg(): string {
  return `org_${crypto.randomUUID().slice(0, 8)}`;
}

function subjectOn(
  ports: [RedisPort, ...RedisPort[]],
  proxy?: AsyncDisposable,
): DocumentStoreSubject {
  const [first, ...rest] = ports;
  return {
    stores: [new RedisDocumentStore(first), ...rest.map((port) => new RedisDocumentStore(port))],
    org: newOrg(),
    pass: (ms) => pass(first, ms),
    async [Symbol.asyncDispose]() {
      for (const port of ports) await port.close();
      await proxy?.[Symbol.asyncDispose]();
    },
  };
}

/** Asks the server for its time until enough of it is gone by. */
async function pass(port: RedisPort, ms: number): Promise<void> {
  const start = await timeOf(port);
  while (await timeOf(port) < start + ms);
}

async function timeOf(port: RedisPort): Promise<number> {
  const [time] = await port.pipeline([["TIME"]]);
  const [seconds, micros] = Array.isArray(time) ? time : [];
  return Number(seconds) * 1000 + Number(micros) / 1000;
}

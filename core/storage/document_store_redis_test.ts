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

function subjectOn(
  ports: [RedisPort, ...RedisPort[]],
  proxy?: AsyncDisposable,
): DocumentStoreSubject {
  const [first, ...rest] = ports;
  return {
    stores: [new RedisDocumentStore(first), ...rest.map((port) => new RedisDocumentStore(port))],
    org: `org_${crypto.randomUUID().slice(0, 8)}`,
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

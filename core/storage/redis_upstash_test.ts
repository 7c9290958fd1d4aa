import { assert, assertEquals, assertNotMatch, assertRejects, assertThrows } from "@std/assert";
import { startRedis } from "../../tests/support/redis_server.ts";
import {
  type ProxyFault,
  startUpstashProxy,
  type UpstashProxy,
} from "../../tests/support/upstash_proxy.ts";
import { SynthError } from "../errors.ts";
import { type UpstashOptions, UpstashTransport } from "./redis_upstash.ts";
import { redisPortContract } from "./testing/redis_port_contract.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

redisPortContract("UpstashTransport", async () => {
  const proxy = await startUpstashProxy(redis.url);
  const port = new UpstashTransport({ url: proxy.url, token: proxy.token });
  return {
    port,
    async [Symbol.asyncDispose]() {
      await port.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
});

async function withProxy(
  test: (proxy: UpstashProxy, port: UpstashTransport) => Promise<void>,
  options: Partial<UpstashOptions> = {},
): Promise<void> {
  await using proxy = await startUpstashProxy(redis.url);
  const port = new UpstashTransport({ url: proxy.url, token: proxy.token, ...options });
  await test(proxy, port);
  await port.close();
}

async function unavailable(call: () => Promise<unknown>): Promise<SynthError> {
  const error = await assertRejects<SynthError>(call, SynthError);
  assertEquals([error.code, error.status], ["store_unavailable", 503]);
  return error;
}

const increment = { name: "increment", lua: "return redis.call('INCR', KEYS[1])" };
const once = {
  name: "once",
  lua: "if redis.call('SET', KEYS[2], '1', 'NX') then redis.call('INCR', KEYS[1]) end " +
    "return redis.call('GET', KEYS[1])",
};

Deno.test("UpstashTransport takes scripts of one turn along in one request", () =>
  withProxy(async (proxy, port) => {
    const key = crypto.randomUUID();
    await port.script(increment, [key], []);
    const before = proxy.roundTrips;
    await Promise.all(Array.from({ length: 20 }, () => port.script(increment, [key], [])));
    assertEquals(proxy.roundTrips - before, 1);
    await port.pipeline([["GET", key], ["GET", key]]);
    assertEquals(proxy.roundTrips - before, 2);
  }));

Deno.test("UpstashTransport asks Upstash to lock only the keys that a script names", () =>
  withProxy(async (proxy, port) => {
    const lua = `return 1 -- ${crypto.randomUUID()}`;
    await port.script({ name: "one", lua }, [], []);
    await port.script({ name: "again", lua }, [], []);
    assertEquals(proxy.scripts, [`#!lua flags=allow-key-locking\n${lua}`]);
  }));

Deno.test("UpstashTransport splits large scripts over requests and refuses what no request holds", () =>
  withProxy(async (proxy, port) => {
    const store = { name: "store", lua: "return redis.call('SET', KEYS[1], ARGV[1])" };
    const key = crypto.randomUUID();
    await port.script(store, [key], ["small"]);
    const before = proxy.roundTrips;
    const texts = Array.from({ length: 6 }, (_, n) => String(n).repeat(100_000));
    await Promise.all(texts.map((text, n) => port.script(store, [`${key}${n}`], [text])));
    assertEquals(proxy.roundTrips - before, 3);
    const large = () => port.script(store, [key], ["x".repeat(999_990)]);
    const error = await assertRejects<SynthError>(large, SynthError);
    assertEquals([error.code, error.status], ["store_request_too_large", 413]);
    assertEquals(await port.pipeline([["GET", key]]), ["small"]);
  }, { maxRequestBytes: 1_000_000 }));

Deno.test("UpstashTransport never repeats its token, or what it sent", () =>
  withProxy(async (proxy, port) => {
    const bad = new UpstashTransport({ url: proxy.url, token: "sk-secret" });
    const error = await unavailable(() => bad.pipeline([["GET", "sk-secret"]]));
    assertEquals(error.details["reason"], "auth");
    assertNotMatch(Deno.inspect(error), /sk-secret/);
    await bad.close();
    proxy.inject("status_500");
    const failed = await assertRejects(() => port.pipeline([["GET", "sk-secret"]]), SynthError);
    assertNotMatch(Deno.inspect(failed), /sk-secret/);
    for (const url of ["", "sk-secret", "ftp://sk-secret", "https://u:sk-secret@h"]) {
      const refused = assertThrows(() => new UpstashTransport({ url, token: "t" }), SynthError);
      assertNotMatch(Deno.inspect(refused), /sk-secret/);
    }
    for (const token of ["", "a b", "a\r\nb"]) {
      assertThrows(() => new UpstashTransport({ url: proxy.url, token }), SynthError);
    }
  }));

const FAULTS: readonly (readonly [ProxyFault, string])[] = [
  ["hang", "timeout"],
  ["late", "timeout"],
  ["status_500", "protocol"],
  ["html_502", "protocol"],
  ["garbled", "protocol"],
  ["wrong_shape", "protocol"],
  ["short", "protocol"],
];

for (const [fault, reason] of FAULTS) {
  Deno.test(`UpstashTransport says that the store is unavailable on "${fault}", then goes on`, () =>
    withProxy(async (proxy, port) => {
      const key = crypto.randomUUID();
      proxy.inject(fault, fault);
      const pipeline = await unavailable(() => port.pipeline([["PING"]]));
      assertEquals(pipeline.details["reason"], reason);
      const script = await unavailable(() => port.script(once, [key, `${key}:1`], []));
      assertEquals(script.details["reason"], reason);
      proxy.release();
      assertEquals(await port.pipeline([["ECHO", "mine"]]), ["mine"]);
      assertEquals(await port.script(once, [key, `${key}:2`], []), await redis.cli("GET", key));
    }, { deadlineMs: 500 }));
}

Deno.test("UpstashTransport sends again what got no answer, a bounded number of times", () =>
  withProxy(async (proxy, port) => {
    const key = crypto.randomUUID();
    await port.script(once, [key, `${key}:0`], []);
    proxy.inject("drop_before", "drop_after");
    assertEquals(await port.script(once, [key, `${key}:1`], []), "2");
    const before = proxy.roundTrips;
    proxy.inject(...Array.from({ length: 20 }, () => "drop_before" as const));
    const error = await unavailable(() => port.pipeline([["PING"]]));
    assertEquals(error.details["reason"], "network");
    // The client's two retries; the runtime may add one to each on a connection that it used before.
    const sent = proxy.roundTrips - before;
    assert(sent >= 3 && sent <= 6, `sent ${sent} times`);
    proxy.clear();
    assertEquals(await port.pipeline([["PING"]]), ["PONG"]);
  }));

Deno.test("UpstashTransport takes a request that was executed twice", () =>
  withProxy(async (proxy, port) => {
    const key = crypto.randomUUID();
    await port.script(once, [key, `${key}:0`], []);
    proxy.inject("duplicate");
    assertEquals(await port.script(once, [key, `${key}:1`], []), "2");
  }));

Deno.test("UpstashTransport says that nobody listens", async () => {
  const port = new UpstashTransport({ url: "http://127.0.0.1:1", token: "t" });
  assertEquals((await unavailable(() => port.pipeline([["PING"]]))).details["reason"], "network");
  await port.close();
});

Deno.test("UpstashTransport passes on that Redis behind it is gone, and recovers", async () => {
  await using own = await startRedis();
  await using proxy = await startUpstashProxy(own.url);
  const port = new UpstashTransport({ url: proxy.url, token: proxy.token, deadlineMs: 500 });
  assertEquals(await port.pipeline([["PING"]]), ["PONG"]);
  own.pause();
  assertEquals(
    (await unavailable(() => port.pipeline([["PING"]]))).details["reason"],
    "timeout",
  );
  own.resume();
  assertEquals(await port.pipeline([["ECHO", "mine"]]), ["mine"]);
  await port.close();
});

Deno.test("UpstashTransport ends the request that it has given up", () =>
  withProxy(async (proxy, port) => {
    proxy.inject("hang");
    const ended = proxy.nextGivenUp();
    await unavailable(() => port.pipeline([["PING"]]));
    await ended;
  }, { deadlineMs: 100 }));

Deno.test("UpstashTransport close aborts what is under way", () =>
  withProxy(async (proxy, port) => {
    proxy.inject("hang");
    const met = proxy.nextFault();
    const call = unavailable(() => port.pipeline([["PING"]]));
    await met;
    await port.close();
    assertEquals((await call).details["reason"], "closed");
  }));

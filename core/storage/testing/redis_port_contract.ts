/** What both Redis transports must do, on a real server. @module */
import { assertEquals, assertNotMatch, assertRejects } from "@std/assert";
import { SynthError } from "../../errors.ts";
import type { RedisPort, RedisScript } from "../redis.ts";

/** A transport under test. */
export interface RedisPortSubject extends AsyncDisposable {
  readonly port: RedisPort;
}

const echo: RedisScript = {
  name: "echo",
  lua: "return {KEYS[1], ARGV[1], 7, false, {ARGV[2], -1}, redis.status_reply('OK')}",
};

/** Registers the tests. @param open makes a subject for one test; key names are random */
export function redisPortContract(name: string, open: () => Promise<RedisPortSubject>): void {
  const on = (criterion: string, test: (port: RedisPort, key: string) => Promise<void>) => {
    Deno.test(`${name} ${criterion}`, async () => {
      await using subject = await open();
      await test(subject.port, `synth:test:{${crypto.randomUUID()}}`);
    });
  };
  on("gives strings as strings and integers as numbers", givesPlainReplies);
  on("runs a script that the server does not know yet, and knows it then", runsScripts);
  on("tells replies of concurrent scripts apart", tellsApart);
  on("keeps the order of a pipeline", keepsOrder);
  on("carries any text", carriesText);
  on("says which command was refused, without its arguments", refuses);
  on("refuses calls after close", refusesAfterClose);
}

async function givesPlainReplies(port: RedisPort, key: string): Promise<void> {
  const replies = await port.pipeline([
    ["SET", key, "123"],
    ["GET", key],
    ["INCR", key],
    ["GET", `${key}:none`],
    ["HSET", `${key}:h`, "a", "true", "b", "null", "c", '{"x":1}', "d", "OK", "e", ""],
    ["HMGET", `${key}:h`, "a", "b", "c", "d", "e", "f"],
    ["ECHO", "OK"],
  ]);
  const fields = ["true", "null", '{"x":1}', "OK", "", null];
  assertEquals(replies, ["OK", "123", 124, null, 5, fields, "OK"]);
  assertEquals(await port.pipeline([]), []);
}

async function runsScripts(port: RedisPort, key: string): Promise<void> {
  const fresh = { name: "fresh", lua: `${echo.lua} -- ${crypto.randomUUID()}` };
  for (let n = 0; n < 3; n++) {
    assertEquals(await port.script(fresh, [key], ["123", "é\0😀"]), [
      key,
      "123",
      7,
      null,
      ["é\0😀", -1],
      "OK",
    ]);
  }
  assertEquals(await port.script({ name: "nothing", lua: "return" }, [], []), null);
}

async function tellsApart(port: RedisPort, key: string): Promise<void> {
  const script = {
    name: "add",
    lua: "if ARGV[1] == '13' then return redis.error_reply('ERR unlucky') end " +
      "redis.call('INCR', KEYS[1]) return ARGV[1]",
  };
  const numbers = Array.from({ length: 40 }, (_, n) => String(n));
  const settled = await Promise.allSettled(numbers.map((n) => port.script(script, [key], [n])));
  assertEquals(
    settled.map((one) => one.status === "fulfilled" ? one.value : one.reason.code),
    numbers.map((n) => n === "13" ? "store_error" : n),
  );
  assertEquals(await port.pipeline([["GET", key]]), ["39"]);
}

async function keepsOrder(port: RedisPort, key: string): Promise<void> {
  const pushes = Array.from({ length: 200 }, (_, n) => ["RPUSH", key, String(n)]);
  await port.pipeline(pushes);
  const [list] = await port.pipeline([["LRANGE", key, "0", "-1"]]);
  assertEquals(list, pushes.map((push) => push[2] ?? ""));
}

async function carriesText(port: RedisPort, key: string): Promise<void> {
  for (const text of ["", "\0", "\r\n", '"\\', "é😀\u2028", "x".repeat(1_000_000)]) {
    await port.pipeline([["SET", key, text]]);
    assertEquals(await port.pipeline([["GET", key]]), [text]);
  }
}

async function refuses(port: RedisPort, key: string): Promise<void> {
  const calls = [
    () => port.pipeline([["SET", key, "x"], ["NOSUCHCOMMAND", "sk-secret"]]),
    () => port.pipeline([["SET", key, "x"], ["INCR", key]]),
    () => port.script({ name: "bad", lua: "this is no lua" }, [key], ["sk-secret"]),
    () => port.script({ name: "bad", lua: "return redis.call('INCR', KEYS[1])" }, [key], []),
  ];
  for (const call of calls) {
    const error = await assertRejects<SynthError>(call, SynthError);
    assertEquals([error.code, error.status], ["store_error", 500]);
    assertNotMatch(Deno.inspect(error), /sk-secret/);
  }
  assertEquals(await port.pipeline([["GET", key]]), ["x"]);
}

async function refusesAfterClose(port: RedisPort): Promise<void> {
  await port.pipeline([["PING"]]);
  await port.close();
  await port.close();
  const calls = [() => port.pipeline([["PING"]]), () => port.script(echo, [], [])];
  for (const call of calls) {
    const error = await assertRejects<SynthError>(call, SynthError);
    assertEquals([error.code, error.details["reason"]], ["store_unavailable", "closed"]);
  }
}

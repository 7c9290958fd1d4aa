import { assert, assertEquals, assertFalse, assertLess } from "@std/assert";
import fc from "fast-check";
import { FakeClock } from "./clock.ts";
import { type Json, SynthError } from "./errors.ts";
import { createLogger, type LogFields, type LoggerOptions, silentLogger } from "./log.ts";
import { REDACTED, SecretSet } from "./redact.ts";

function capture(options: Partial<LoggerOptions> = {}) {
  const lines: string[] = [];
  const clock = new FakeClock(1_750_000_000_000);
  const log = createLogger({ write: (line) => lines.push(line), clock, ...options });
  const records = (): { [key: string]: Json }[] => lines.map((line) => JSON.parse(line));
  return { log, lines, records };
}

Deno.test("createLogger writes one JSON line a record, time and level first", () => {
  const { log, lines } = capture();
  log.info("started", { port: 8787 });
  assertEquals(lines, [
    '{"time":"2025-06-15T15:06:40.000Z","level":"info","msg":"started","port":8787}',
  ]);
});

Deno.test("createLogger writes its level and above", () => {
  const { log, records } = capture({ level: "warn" });
  log.debug("1");
  log.info("2");
  log.warn("3");
  log.error("4");
  assertEquals(records().map((record) => record["msg"]), ["3", "4"]);
  assertEquals([log.enabled("info"), log.enabled("warn")], [false, true]);
});

Deno.test("child adds fields, its own records' fields win, and reserved ones cannot be replaced", () => {
  const { log, records } = capture();
  const child = log.child({ request: "r", n: 1, level: "x" }).child({ org: "o" });
  child.info("m", { n: 2, msg: "y", time: "z" });
  log.info("parent");
  assertEquals(records(), [
    { time: "2025-06-15T15:06:40.000Z", level: "info", msg: "m", request: "r", org: "o", n: 2 },
    { time: "2025-06-15T15:06:40.000Z", level: "info", msg: "parent" },
  ]);
});

Deno.test("createLogger masks registered secrets and known shapes everywhere", () => {
  const secret = "canary value 7f3a";
  const { log, lines } = capture({ secrets: new SecretSet([secret]) });
  const cause = new SynthError(`deep ${secret}`, { code: "inner" });
  log.child({ a: secret, [secret]: 1 }).error(`x ${secret} Bearer abcdef123`, {
    b: [secret, { c: `${secret}!` }],
    api_key: "short",
    err: new Error(secret, { cause }),
  });
  assertEquals(lines.length, 1);
  const line = lines[0] ?? "";
  assertFalse(line.includes(secret));
  assertFalse(line.includes("abcdef123"));
  assertFalse(line.includes("short"));
  assert(line.includes('"code":"inner"'));
  assert(line.includes(REDACTED));
});

Deno.test("createLogger keeps any text on one line", () => {
  const hostile = fc.stringMatching(/^[\n\r\u2028\u2029\u0085"{}a\v\f\0]{0,20}$/);
  fc.assert(
    fc.property(hostile, hostile, (message, value) => {
      const { log, lines, records } = capture();
      log.info(message, { value, [`k${value}`]: 1 });
      assertEquals(lines.length, 1);
      assertEquals((lines[0] ?? "").split(/[\n\r\v\f\u0085\u2028\u2029]/).length, 1);
      assertEquals(records()[0]?.["msg"], message);
      assertEquals(records()[0]?.["value"], value);
    }),
    { numRuns: 500 },
  );
});

Deno.test("createLogger shows members of any name, and errors and maps given as fields", () => {
  const { log, lines, records } = capture();
  log.info("m", JSON.parse('{"__proto__":"p","constructor":"c","toString":1}'));
  assertEquals(
    lines[0]?.slice(lines[0].indexOf('"msg"')),
    '"msg":"m","__proto__":"p","constructor":"c","toString":1}',
  );
  log.warn("e", new SynthError("why", { code: "inner" }) as unknown as LogFields);
  log.warn("map", new Map([["api_key", "x"], ["n", "1"]]) as unknown as LogFields);
  assertEquals(records()[1]?.["code"], "inner");
  assertEquals([records()[2]?.["api_key"], records()[2]?.["n"]], [REDACTED, "1"]);
});

Deno.test("createLogger masks registered secrets in headers, and in the name and the message of errors", () => {
  const secret = "quote?token=tail of it";
  const { log, lines } = capture({ secrets: new SecretSet([secret]) });
  const error = new Error(`broke with ${secret}`);
  error.name = secret;
  const headers = new Headers({ "x-echo": secret, "x-api-key": "k", "x-fine": "fine" });
  log.info("nested", { headers, error });
  log.info("error", error as unknown as LogFields);
  log.info("headers", headers as unknown as LogFields);
  log.child(headers as unknown as LogFields).info("child");
  for (const line of lines) assertFalse(/quote|tail of it/.test(line), line);
  const shown = { "x-api-key": REDACTED, "x-echo": REDACTED, "x-fine": "fine" };
  assertEquals(JSON.parse(lines[0] ?? "")["headers"], shown);
});

Deno.test("createLogger never throws", () => {
  const hostile = {
    get trap(): string {
      throw new Error("no");
    },
  };
  const cycle: Record<string, unknown> = {};
  cycle["self"] = cycle;
  const { log, records } = capture();
  log.info("trap", hostile);
  log.child(hostile).info("child");
  log.info("cycle", cycle);
  log.info("odd", { big: 1n, symbol: Symbol("s"), fn: () => {}, revoked: new Date(NaN) });
  assertEquals(records().map((record) => record["msg"]), ["trap", "child", "cycle", "odd"]);
  assertEquals(records()[0]?.["fields"], "[not readable]");

  const broken = createLogger({
    write: () => {
      throw new Error("disk full");
    },
  });
  broken.error("x");
  silentLogger.child({ a: 1 }).error("x");
  assertFalse(silentLogger.enabled("error"));
});

Deno.test("createLogger cuts long texts after it has redacted them", () => {
  const { log, lines } = capture();
  const key = "sk-abcdefghijklmnopqrstuvwxyz";
  log.info("x".repeat(16_370) + " " + key);
  log.info("long", { text: "y".repeat(1_000_000) });
  assertFalse(lines.join("").includes("sk-"));
  for (const line of lines) assertLess(line.length, 17_000);
});

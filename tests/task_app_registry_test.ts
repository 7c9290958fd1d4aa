/** The registry of task apps: entries, heartbeats, owners, expiry, other orgs; on every store. */
import { assertEquals } from "@std/assert";
import { FakeClock, silentLogger } from "@synth/core";
import { SynthClient } from "@synth/core/api";
import { announceTaskApp } from "@synth/task-app";
import { startRedis } from "./support/redis_server.ts";
import {
  STORE_KINDS,
  type StoredBench,
  storedBench,
  type StoreKind,
} from "./support/stored_bench.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

const LIST = "/api/v1/registry/task-apps";
const ONE = `${LIST}/math`;

function on(criterion: string, test: (bench: StoredBench, kind: StoreKind) => Promise<void>): void {
  for (const kind of STORE_KINDS) {
    Deno.test(`task-app registry ${criterion} (${kind})`, async () => {
      await using bench = await storedBench(kind, redis);
      await test(bench, kind);
    });
  }
}

function clientOf({ send }: StoredBench): SynthClient {
  return new SynthClient({
    baseUrl: "http://gateway.test",
    fetch: async (input, init) => {
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      const body = typeof init?.body === "string" ? JSON.parse(init.body) : undefined;
      return await send(`${init?.method} ${pathname}${search}`, body);
    },
  });
}

on("keeps an entry, and who made it when", async (bench) => {
  const { registry } = clientOf(bench);
  const first = await registry.announce("math", {
    url: "http://127.0.0.1:8114/",
    instance_id: "i1",
  });
  assertEquals([first.app_id, first.url, first.instance_id, first.tunnel_mode], [
    "math",
    "http://127.0.0.1:8114",
    "i1",
    null,
  ]);
  const again = await registry.announce("math", {
    url: "http://127.0.0.1:8114",
    instance_id: "i1",
  });
  assertEquals(again.registered_at, first.registered_at);
  await registry.announce("poems", { url: "https://a.example", tunnel_mode: "managed" });
  assertEquals((await registry.list()).map(({ app_id }) => app_id).sort(), ["math", "poems"]);
  assertEquals((await registry.get("math")).url, "http://127.0.0.1:8114");
});

on("lets an instance take away its own entry alone", async (bench) => {
  const { registry } = clientOf(bench);
  await registry.announce("math", { url: "http://127.0.0.1:1", instance_id: "old" });
  await registry.announce("math", { url: "http://127.0.0.1:2", instance_id: "new" });
  assertEquals(await registry.remove("math", "old"), false);
  assertEquals((await registry.get("math")).url, "http://127.0.0.1:2");
  assertEquals(await registry.remove("math", "new"), true);
  assertEquals(await registry.remove("math"), false);
  assertEquals(await registry.list(), []);
});

on("shows an org nothing of another's", async ({ send }) => {
  await send(`PUT ${ONE}`, { url: "http://127.0.0.1:1" });
  for (const line of [`GET ${ONE}`, `GET ${LIST}`, `DELETE ${ONE}`]) {
    const answer = await send(line, undefined, { caller: "b" });
    const body = await answer.json();
    if (line.startsWith("GET /api/v1/registry/task-apps/")) {
      assertEquals([answer.status, body.error.code], [404, "task_app_not_found"]);
    } else assertEquals(body, line.startsWith("DELETE") ? { app_id: "math", removed: false } : []);
  }
  assertEquals((await send(`GET ${ONE}`)).status, 200);
});

on("refuses what is no announcement", async ({ send }) => {
  const bad: [string, unknown, string][] = [
    [ONE, {}, "missing_required_parameter"],
    [ONE, { url: "ftp://a" }, "invalid_value"],
    [ONE, { url: "http://user:pass@a" }, "invalid_value"],
    [ONE, { url: "http://a?key=x" }, "invalid_value"],
    [ONE, { url: "http://a", ttl_seconds: 5 }, "invalid_value"],
    [ONE, { url: "http://a", instance_id: "a b" }, "invalid_value"],
    [ONE, { url: "http://a", secret: 1 }, "unknown_parameter"],
    [`${LIST}/.hidden`, { url: "http://a" }, "invalid_app_id"],
    [`${LIST}/${"x".repeat(129)}`, { url: "http://a" }, "invalid_app_id"],
  ];
  for (const [path, body, code] of bad) {
    const answer = await send(`PUT ${path}`, body);
    assertEquals([answer.status, (await answer.json()).error.code], [400, code], path);
  }
  assertEquals((await send(`GET ${LIST}/__proto__`)).status, 404);
});

Deno.test("task-app registry forgets an app that fell silent (SQLite)", async () => {
  await using bench = await storedBench("SQLite", redis);
  const { registry } = clientOf(bench);
  await registry.announce("math", { url: "http://127.0.0.1:1", ttl_seconds: 30 });
  await bench.pass(20_000);
  await registry.announce("math", { url: "http://127.0.0.1:1", ttl_seconds: 30 });
  await bench.pass(20_000);
  assertEquals((await registry.list()).length, 1);
  await bench.pass(10_001);
  assertEquals(await registry.list(), []);
});

Deno.test("announceTaskApp renews its entry while it runs, and takes it away at the end", async () => {
  await using bench = await storedBench("SQLite", redis);
  const { registry } = clientOf(bench);
  const clock = new FakeClock();
  {
    await using announcement = announceTaskApp({
      registry,
      appId: "math",
      announcement: { url: "http://127.0.0.1:8114" },
      clock,
      log: silentLogger,
    });
    await announcement.idle();
    const { instance_id } = await registry.get("math");
    assertEquals(instance_id, announcement.instanceId);
    for (let i = 0; i < 5; i++) {
      await bench.pass(30_000);
      await clock.tick(30_000);
      await announcement.idle();
    }
    assertEquals((await registry.list()).length, 1);
  }
  assertEquals(await registry.list(), []);
});

Deno.test("announceTaskApp goes on when the gateway is away, and tells it once", async () => {
  const clock = new FakeClock();
  const warnings: string[] = [];
  let tries = 0;
  await using announcement = announceTaskApp({
    registry: {
      announce: () => Promise.reject(new Error(`away ${++tries}`)),
      remove: () => Promise.resolve(false),
    },
    appId: "math",
    announcement: { url: "http://127.0.0.1:8114" },
    clock,
    log: { ...silentLogger, warn: (message) => void warnings.push(message) },
  });
  await announcement.idle();
  for (let i = 0; i < 3; i++) {
    await clock.tick(30_000);
    await announcement.idle();
  }
  assertEquals(tries, 4);
  assertEquals(warnings.length, 1);
});

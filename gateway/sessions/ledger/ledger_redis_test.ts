import fc from "fast-check";
import { assert, assertEquals } from "@std/assert";
import type { RedisPort } from "@synth/core/storage";
import { RespTransport } from "@synth/core/storage/resp";
import { UpstashTransport } from "@synth/core/storage/upstash";
import { startRedis } from "../../../tests/support/redis_server.ts";
import { startUpstashProxy } from "../../../tests/support/upstash_proxy.ts";
import { RedisLedger } from "./ledger_redis.ts";
import { LedgerKeys } from "./redis_keys.ts";
import { DEFAULT_RETENTION } from "./retention.ts";
import { runSteps } from "./testing/interleaving.ts";
import { lawsRuns, lawsSeed } from "./testing/laws_runs.ts";
import { ledgerContract, type LedgerSubject, NOON } from "./testing/ledger_contract.ts";
import { ask, granted, limit, refused, spec, usage } from "./testing/samples.ts";
import { steps } from "./testing/steps.ts";

const redis = await startRedis();
Deno.test.afterAll(async () => await redis[Symbol.asyncDispose]());

function subjectOn(transports: RedisPort[], proxy?: AsyncDisposable): LedgerSubject {
  let now = NOON;
  const ledgers = transports.map((port) => new RedisLedger(port, { now: () => now }));
  return {
    ledgers,
    setTime: (ms) => {
      now = ms;
    },
    async forgetLeases(org, ids) {
      const keys = new LedgerKeys(org);
      await transports[0]?.pipeline([["DEL", ...ids.map((id) => keys.lease(id))]]);
    },
    async [Symbol.asyncDispose]() {
      for (const ledger of ledgers) await ledger.close();
      await proxy?.[Symbol.asyncDispose]();
    },
  };
}

ledgerContract("RedisLedger over RESP", () => {
  const transport = () => new RespTransport({ url: redis.url });
  return Promise.resolve(subjectOn([transport(), transport(), transport()]));
});

ledgerContract("RedisLedger over Upstash's REST protocol", async () => {
  const proxy = await startUpstashProxy(redis.url);
  const transport = () => new UpstashTransport({ url: proxy.url, token: proxy.token });
  return subjectOn([transport(), transport(), transport()], proxy);
});

Deno.test("RedisLedger keeps a session long after its end, and one without an end for ever", async () => {
  const port = new RespTransport({ url: redis.url });
  const ledger = new RedisLedger(port);
  const keys = new LedgerKeys("kept");
  const left = async (id: string): Promise<number> => {
    const [ms] = await port.pipeline([["PTTL", keys.session(id)]]);
    return Number(ms);
  };
  const who = { org: "kept", user: "user", keyId: "k", makeActive: true };
  const lasting = spec([limit("tokens", 1000)]);
  await ledger.openSession({ ...who, spec: lasting });
  await ledger.settle(usage(granted(await ledger.reserve(ask("kept", lasting.id))), 10, 1));
  assertEquals(await left(lasting.id), -1);
  const brief = spec([limit("tokens", 1000)], { ttlMs: 60_000, idleMs: 30_000 });
  await ledger.openSession({ ...who, spec: brief });
  const { sessionMs } = DEFAULT_RETENTION;
  // Its end and what the store's clock has done meanwhile are minutes, the retention is days.
  for (const step of ["open", "reserve", "heartbeat", "end"]) {
    if (step === "reserve") granted(await ledger.reserve(ask("kept", brief.id)));
    if (step === "heartbeat") await ledger.heartbeat("kept", brief.id);
    if (step === "end") await ledger.endSession("kept", brief.id);
    assert(Math.abs(await left(brief.id) - sessionMs) < 3_600_000, step);
  }
  await ledger.close();
});

Deno.test("RedisLedger is exact when answers are lost and requests doubled", async () => {
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({
    url: proxy.url,
    token: proxy.token,
    deadlineMs: 10_000,
  });
  const ledger = new RedisLedger(transport);
  const org = "faults";
  const session = spec([limit("tokens", 100_000)]);
  const { id } = session;
  for (const fault of ["drop_after", "duplicate", "drop_before"] as const) {
    proxy.inject(fault);
    await ledger.openSession({ org, user: "user", keyId: "k", makeActive: true, spec: session });
    for (let n = 0; n < 10; n++) {
      proxy.inject(fault);
      const grant = granted(await ledger.reserve(ask(org, id)));
      proxy.inject(fault);
      if (n % 3 === 0) await ledger.release(grant.lease);
      else await ledger.settle(usage(grant, 110, 0));
    }
    const ref = { org, kind: "session" as const, id };
    const raise = { limitId: session.limits[0]?.id ?? "", by: 10n, operationId: fault };
    proxy.inject(fault);
    await ledger.raiseLimit(ref, raise);
  }
  const state = await ledger.getSession(org, id);
  assertEquals(state?.used.tokens, 18n * 110n);
  assertEquals(state?.limits.map(({ held, value }) => [held, value]), [[0n, 100_030n]]);
  await ledger.close();
});

Deno.test("RedisLedger needs one round trip for each reserve and settle", async () => {
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  const [ledger, cold] = [new RedisLedger(transport), new RedisLedger(transport)];
  const auto = () => ask("trips", { kind: "auto" as const, open: spec() });
  const trips = async (call: () => Promise<unknown>) => {
    const before = proxy.roundTrips;
    await call();
    return proxy.roundTrips - before;
  };
  // The scripts are not in the server's cache yet: EVALSHA, then EVAL.
  await ledger.settle(usage(granted(await ledger.reserve(ask("warm", { kind: "none" }))), 1, 1));
  assertEquals(await trips(() => ledger.reserve(auto())), 1, "opening");
  const grant = granted(await ledger.reserve(auto()));
  assertEquals(await trips(() => ledger.reserve(auto())), 1, "attaching");
  assertEquals(await trips(() => ledger.settle(usage(grant, 1, 1))), 1, "settling");
  assertEquals(await trips(() => cold.reserve(auto())), 2, "not knowing the active session");
  assertEquals(await trips(() => cold.reserve(auto())), 1, "knowing it");
  await ledger.close();
});

Deno.test("RedisLedger forgets what is past its retention, and bounds its journal", async () => {
  const retention = { leaseMs: 1000, usageMs: 60_000, usageMax: 5 };
  let now = NOON;
  const transport = new RespTransport({ url: redis.url });
  const ledger = new RedisLedger(transport, { retention, now: () => now++ });
  const org = "bounded";
  for (let n = 0; n < 12; n++) {
    const open = spec([], { ttlMs: 60_000 });
    await ledger.settle(
      usage(granted(await ledger.reserve(ask(org, { kind: "auto", open }))), n, 0),
    );
  }
  const events = await ledger.listUsage(org);
  assertEquals(events.map((one) => one.amounts.tokens), [11n, 10n, 9n, 8n, 7n]);
  const keys = (await redis.cli("KEYS", "synth:v1:{bounded}:*")).trim().split("\n");
  const lasting = [];
  for (const key of keys) {
    if ((await redis.cli("PTTL", key)).trim() === "-1") lasting.push(key.split("}:")[1]);
  }
  assertEquals(lasting.sort(), ["key:k", "org", "sessions", "usage", "usage_bodies"]);
  assertEquals((await redis.cli("HLEN", "synth:v1:{bounded}:usage_bodies")).trim(), "5");
  await ledger.close();
});

Deno.test("RedisLedger refuses a session that its server has lost", async () => {
  const ledger = new RedisLedger(new RespTransport({ url: redis.url }));
  const org = "lossy";
  const session = spec([limit("tokens", 1000)]);
  const input = { org, user: "user", keyId: "k", makeActive: true, spec: session };
  await ledger.openSession(input);
  const grant = granted(await ledger.reserve(ask(org, session.id)));
  await redis.cli("DEL", `synth:v1:{lossy}:session:${session.id}`);
  for (const attach of [session.id, { kind: "auto" as const, open: spec() }]) {
    const outcome = refused(await ledger.reserve(ask(org, attach)));
    assertEquals([outcome.reason, outcome.sessionId], ["session_unknown", session.id]);
  }
  // What was spent still counts for the key and the org.
  await ledger.settle(usage(grant, 250, 9));
  assertEquals((await ledger.scope({ org, kind: "org", id: org }))?.used.tokens, 250n);
  assertEquals((await ledger.openSession(input)).created, true);
  assertEquals(granted(await ledger.reserve(ask(org, session.id))).outputTokens, 200);
  await ledger.close();
});

Deno.test("RedisLedger keeps the laws in any interleaving, as the model does", async () => {
  await checkLaws(new RespTransport({ url: redis.url }), "resp", lawsRuns(10, 100));
});

Deno.test("RedisLedger keeps the laws over Upstash's REST protocol, too", async () => {
  await using proxy = await startUpstashProxy(redis.url);
  const transport = new UpstashTransport({ url: proxy.url, token: proxy.token });
  await checkLaws(transport, "upstash", lawsRuns(200, 50));
});

async function checkLaws(port: RedisPort, name: string, runs: number): Promise<void> {
  let now = 0;
  const ledger = new RedisLedger(port, { now: () => now });
  let orgs = 0;
  const bench = {
    ledger,
    setTime: (ms: number) => {
      now = ms;
    },
    freshOrg: () => `${name}${orgs++}`,
  };
  const property = fc.asyncProperty(steps(40), async (all) => {
    // A long run would fill the server.
    if (orgs % 5000 === 4999) await redis.cli("FLUSHALL");
    await runSteps(bench, all, runs <= 1000);
  });
  await fc.assert(property, { numRuns: runs, ...lawsSeed() });
  await ledger.close();
}

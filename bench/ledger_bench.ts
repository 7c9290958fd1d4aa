/**
 * How many requests a ledger can decide in a second: one reserve and one settle each, on one hot session and spread over 10,000,
 * and for how long the event loop stands still meanwhile.
 *
 *     deno run -A bench/ledger_bench.ts [sqlite] [redis] [upstash]
 *
 * `sqlite` uses a file with `synchronous=FULL` in the current folder's temporary place; the others start a `redis-server`.
 *
 * @module
 */
import { RespTransport } from "@synth/core/storage/resp";
import { UpstashTransport } from "@synth/core/storage/upstash";
import type { SessionLedger } from "../gateway/sessions/ledger/ledger.ts";
import { RedisLedger } from "../gateway/sessions/ledger/ledger_redis.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ask, granted, limit, spec, usage } from "../gateway/sessions/ledger/testing/samples.ts";
import { startRedis } from "../tests/support/redis_server.ts";
import { startUpstashProxy } from "../tests/support/upstash_proxy.ts";

/** One measured line. */
export interface LedgerFigure {
  readonly store: string;
  readonly sessions: number;
  readonly inFlight: number;
  /** Reserve and settle pairs a second. */
  readonly pairsPerSecond: number;
  readonly reserveP50Ms: number;
  readonly reserveP99Ms: number;
  /** Longest time that a 1 ms timer was late. */
  readonly stallMs: number;
}

async function measure(
  store: string,
  ledger: SessionLedger,
  sessions: readonly string[],
  inFlight: number,
  total: number,
): Promise<LedgerFigure> {
  const latencies: number[] = [];
  let next = 0;
  let stallMs = 0;
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    stallMs = Math.max(stallMs, now - last - 1);
    last = now;
  }, 1);
  const start = performance.now();
  await Promise.all(Array.from({ length: inFlight }, async () => {
    while (next < total) {
      const session = sessions[next++ % sessions.length] ?? "";
      const before = performance.now();
      const grant = granted(await ledger.reserve(ask("bench", session)));
      latencies.push(performance.now() - before);
      await ledger.settle(usage(grant, 120, 200));
    }
  }));
  const seconds = (performance.now() - start) / 1000;
  clearInterval(timer);
  latencies.sort((a, b) => a - b);
  const at = (share: number) => latencies[Math.floor((latencies.length - 1) * share)] ?? 0;
  return {
    store,
    sessions: sessions.length,
    inFlight,
    pairsPerSecond: Math.round(total / seconds),
    reserveP50Ms: Number(at(0.5).toFixed(3)),
    reserveP99Ms: Number(at(0.99).toFixed(3)),
    stallMs: Number(stallMs.toFixed(1)),
  };
}

/** Measures one store. Sessions have a token and a cost limit, the key and the org one of cost each. */
export async function benchLedger(
  store: string,
  ledger: SessionLedger,
  total = 4000,
): Promise<LedgerFigure[]> {
  for (const [kind, id] of [["key", "k"], ["org", "bench"]] as const) {
    await ledger.addLimit({ org: "bench", kind, id }, limit("cost", 10n ** 15n));
  }
  const ids: string[] = [];
  while (ids.length < 10_000) {
    await Promise.all(Array.from({ length: 100 }, async () => {
      const session = spec([limit("tokens", 10n ** 12n), limit("cost", 10n ** 15n)]);
      const who = { org: "bench", user: "user", keyId: "k", makeActive: false };
      ids.push((await ledger.openSession({ ...who, spec: session })).session.id);
    }));
  }
  const hot = ids.slice(0, 1);
  return [
    await measure(store, ledger, hot, 1, total / 4),
    await measure(store, ledger, hot, 64, total),
    await measure(store, ledger, ids, 64, total),
  ];
}

async function print(figures: readonly LedgerFigure[]): Promise<void> {
  const lines = figures.map((figure) => `${JSON.stringify(figure)}\n`).join("");
  await Deno.stdout.write(new TextEncoder().encode(lines));
}

async function main(stores: readonly string[]): Promise<void> {
  if (stores.includes("sqlite")) {
    const dir = await Deno.makeTempDir({ prefix: "synth-bench-" });
    const ledger = await openSqliteLedger({ path: `${dir}/ledger.db` });
    await print(await benchLedger("sqlite", ledger));
    await ledger.close();
    await Deno.remove(dir, { recursive: true });
  }
  if (!stores.includes("redis") && !stores.includes("upstash")) return;
  await using redis = await startRedis();
  if (stores.includes("redis")) {
    const ledger = new RedisLedger(new RespTransport({ url: redis.url }));
    await print(await benchLedger("redis", ledger));
    await ledger.close();
    await redis.cli("FLUSHALL");
  }
  if (stores.includes("upstash")) {
    await using proxy = await startUpstashProxy(redis.url);
    const ledger = new RedisLedger(
      new UpstashTransport({ url: proxy.url, token: proxy.token, deadlineMs: 10_000 }),
    );
    await print(await benchLedger("upstash", ledger));
    await ledger.close();
  }
}

if (import.meta.main) {
  await main(Deno.args.length > 0 ? Deno.args : ["sqlite", "redis", "upstash"]);
}

import fc from "fast-check";
import { RespTransport } from "@synth/core/storage/resp";
import { startRedis } from "../../../tests/support/redis_server.ts";
import { RedisLedger } from "./ledger_redis.ts";
import { runSteps, steps } from "./testing/interleaving.ts";

const RUNS = Number(Deno.env.get("SYNTH_FC_RUNS") ?? "150");
const SEED = Deno.env.get("SYNTH_FC_SEED");

Deno.test("RedisLedger keeps the laws in any interleaving, as the model does", async () => {
  await using redis = await startRedis();
  let now = 0;
  const ledger = new RedisLedger(new RespTransport({ url: redis.url }), { now: () => now });
  let orgs = 0;
  const bench = {
    ledger,
    setTime: (ms: number) => {
      now = ms;
    },
    freshOrg: () => `org${orgs++}`,
  };
  const property = fc.asyncProperty(steps(40), async (all) => {
    if (orgs % 5000 === 4999) await redis.cli("FLUSHALL");
    await runSteps(bench, all, RUNS <= 1000);
  });
  await fc.assert(property, {
    numRuns: RUNS,
    ...(SEED === undefined ? {} : { seed: Number(SEED) }),
  });
  await ledger.close();
});

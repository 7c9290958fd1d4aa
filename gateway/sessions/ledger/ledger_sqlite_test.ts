import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { FakeClock } from "@synth/core";
import { openSqliteLedger } from "./ledger_sqlite.ts";
import { type Bench, runSteps } from "./testing/interleaving.ts";
import { lawsRuns, lawsSeed } from "./testing/laws_runs.ts";
import { ledgerContract } from "./testing/ledger_contract.ts";
import { steps } from "./testing/steps.ts";

const RUNS = lawsRuns(1, 300);

ledgerContract("SqliteLedger", async () => {
  const dir = await Deno.makeTempDir({ prefix: "synth-ledger-" });
  const clock = new FakeClock();
  const path = `${dir}/ledger.db`;
  const ledgers = [
    await openSqliteLedger({ path, clock }),
    await openSqliteLedger({ path, clock }),
  ];
  return {
    ledgers,
    setTime: (ms) => clock.jump(ms),
    forgetLeases(org, ids) {
      const db = new DatabaseSync(path);
      for (const id of ids) {
        db.prepare("DELETE FROM leases WHERE org = ? AND id = ?").run(org, id);
      }
      db.close();
      return Promise.resolve();
    },
    async [Symbol.asyncDispose]() {
      for (const ledger of ledgers) await ledger.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
});

Deno.test("SqliteLedger keeps the laws in any interleaving, as the model does", async () => {
  const clock = new FakeClock();
  let ledger = await openSqliteLedger({ path: ":memory:", clock });
  let orgs = 0;
  const bench: Bench = {
    get ledger() {
      return ledger;
    },
    setTime: (ms) => clock.jump(ms),
    freshOrg: () => `org${orgs++}`,
  };
  const property = fc.asyncProperty(steps(40), async (all) => {
    // A fresh file now and then: a long run would fill the memory.
    if (orgs % 2000 === 1999) {
      await ledger.close();
      ledger = await openSqliteLedger({ path: ":memory:", clock });
    }
    await runSteps(bench, all, RUNS <= 1000);
  });
  await fc.assert(property, { numRuns: RUNS, ...lawsSeed() });
  await ledger.close();
});

Deno.test("SqliteLedger keeps the laws when every step may come from another process", async () => {
  const clock = new FakeClock();
  const dir = await Deno.makeTempDir({ prefix: "synth-ledger-" });
  const path = `${dir}/ledger.db`;
  const ledgers = [
    await openSqliteLedger({ path, clock }),
    await openSqliteLedger({ path, clock }),
  ];
  let orgs = 0;
  let turns = 0;
  const bench: Bench = {
    // Two by one, two by the other: what one remembers must survive its own steps and no others.
    get ledger() {
      return ledgers[(turns++ >> 1) % 2]!;
    },
    setTime: (ms) => clock.jump(ms),
    freshOrg: () => `org${orgs++}`,
  };
  await fc.assert(fc.asyncProperty(steps(40), (all) => runSteps(bench, all, true)), {
    numRuns: 100,
    ...lawsSeed(),
  });
  for (const ledger of ledgers) await ledger.close();
  await Deno.remove(dir, { recursive: true });
});

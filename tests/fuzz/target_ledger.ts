/** Interleavings of the ledger's verbs on SQLite against the model that is slow and obvious. @module */
import { FakeClock } from "@synth/core";
import { openSqliteLedger } from "../../gateway/sessions/ledger/ledger_sqlite.ts";
import { runSteps } from "../../gateway/sessions/ledger/testing/interleaving.ts";
import { type Step, steps } from "../../gateway/sessions/ledger/testing/steps.ts";
import type { Target } from "./target.ts";

/** Runs after which a new database is taken: a long run would fill the memory. */
const FRESH_AFTER = 2000;

/** Opens it. */
export async function openLedger(): Promise<Target<Step[]>> {
  const clock = new FakeClock();
  let ledger = await openSqliteLedger({ path: ":memory:", clock });
  let orgs = 0;
  return {
    name: "ledger",
    inputs: steps(60),
    async check(input) {
      if (++orgs % FRESH_AFTER === 0) {
        await ledger.close();
        ledger = await openSqliteLedger({ path: ":memory:", clock });
      }
      await runSteps(
        { ledger, setTime: (ms) => clock.jump(ms), freshOrg: () => `org${orgs}` },
        input,
      );
    },
    close: () => ledger.close(),
  };
}

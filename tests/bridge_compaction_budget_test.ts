/** A used-up budget and a compaction: the words of a refusal must never become a history. */
import { assert, assertEquals } from "@std/assert";
import { createSealer, generateSealKey, parseSealKeys } from "../gateway/bridge/seal.ts";
import { openSqliteLedger } from "../gateway/sessions/ledger/ledger_sqlite.ts";
import { ON_LIMIT_KEY } from "../gateway/sessions/on_limit.ts";
import { hard, openIn, startBudgetGateway } from "./support/budget_in_process.ts";
import { startUpstream } from "./support/scripted_upstream.ts";
import { ImpatientClock } from "./support/test_gateway.ts";

Deno.test("gateway refuses a compaction under a used-up budget, also where a session wants words", async () => {
  const clock = new ImpatientClock();
  const ledger = await openSqliteLedger({ path: ":memory:", clock });
  await using upstream = await startUpstream();
  await using it = await startBudgetGateway({
    baseUrl: upstream.baseUrl,
    ledger,
    clock,
    sealer: createSealer(parseSealKeys(generateSealKey("k"))),
  });
  const id = await openIn(ledger, [hard("tokens", 0)], { [ON_LIMIT_KEY]: "message" });
  const headers = { "x-synth-session-id": id };
  const input = [{ role: "user", content: "do it" }];
  const told = await it.ask({ model: "up-a", input }, headers);
  assertEquals(told.status, 200);
  assertEquals((await told.json()).output[0].type, "message");
  for (const stream of [true, false]) {
    const compact = { model: "up-a", stream, input: [...input, { type: "compaction_trigger" }] };
    const refused = await it.ask(compact, headers);
    assertEquals(refused.status, 429);
    const body = await refused.text();
    assertEquals(JSON.parse(body).error.code, "session_limit_exceeded");
    assert(!body.includes("gwr1."));
  }
  assertEquals(upstream.requests.length, 0);
});

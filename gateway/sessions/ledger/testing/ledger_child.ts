/**
 * A process that spends from a ledger file, for the tests that need several: `<path> <org> <session> <requests> <mode>`.
 * It prints a line for each grant before it settles, and with `mode` `hang` stops between the two.
 *
 * @module
 */
import { openSqliteLedger } from "../ledger_sqlite.ts";
import { ask, usage } from "./samples.ts";

const [path = "", org = "", session = "", requests = "0", mode = ""] = Deno.args;
const ledger = await openSqliteLedger({ path });
const encoder = new TextEncoder();
await Promise.all(Array.from({ length: Number(requests) }, async () => {
  const outcome = await ledger.reserve(ask(org, session, { ttlMs: mode === "hang" ? 0 : 60_000 }));
  if (!outcome.granted) return;
  await Deno.stdout.write(encoder.encode(`${outcome.held.tokens}\n`));
  if (mode === "hang") await new Promise((resolve) => setTimeout(resolve, 600_000));
  await ledger.settle(usage(outcome, 150, 150));
}));
await ledger.close();

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { UsageEvent, UsageQuery } from "../sessions/ledger/ledger.ts";
import { amounts } from "../sessions/limits.ts";
import { readSpend, type Spend } from "./spend.ts";

const NOON = Date.UTC(2026, 10, 22, 12);
const DAY = 86_400_000;

function event(id: number, at: number, cost: bigint, model: string | null = "m"): UsageEvent {
  return {
    id: `l${id}`,
    kind: "lease",
    org: "o",
    sessionId: null,
    user: "u",
    keyId: `key_${id % 3}`,
    model,
    priceVersion: null,
    at,
    amounts: amounts({ cost, tokens: 2n * cost, api_calls: 1n }),
    overrun: amounts({}),
    expired: false,
    detail: null,
    referenceType: null,
    metadata: {},
  };
}

/** A journal as the ledger's port has it, and how many events were read from it. */
class Journal {
  readonly events: UsageEvent[] = [];
  given = 0;

  readonly read = (query: UsageQuery): Promise<UsageEvent[]> => {
    const { from = 0, to = Infinity, limit = 100, offset = 0 } = query;
    const found = this.events.filter(({ at }) => at >= from && at < to)
      .sort((a, b) => b.at - a.at).slice(offset, offset + limit);
    this.given += found.length;
    return Promise.resolve(found);
  };
}

/** What matters of a spend. */
function shown({ models, days, total, lastUse }: Spend): unknown {
  return { models, days, total, lastUse: [...lastUse].sort() };
}

Deno.test("readSpend sums by model and by day, dearest and newest first", async () => {
  const journal = new Journal();
  journal.events.push(
    event(1, NOON, 5n),
    event(2, NOON - DAY, 7n, "dear"),
    event(3, NOON - 13 * DAY, 1n, null),
    event(4, NOON - 14 * DAY, 100n, "too old"),
  );
  const spend = await readSpend(journal.read, NOON, null);
  assertEquals(spend.models.map(({ name, cost }) => [name, cost]), [["dear", 7n], ["m", 5n], [
    null,
    1n,
  ]]);
  assertEquals(spend.days.length, 14);
  assertEquals([spend.days[0]?.name, spend.days[0]?.cost], ["2026-11-22", 5n]);
  assertEquals([spend.days[13]?.name, spend.days[13]?.cost], ["2026-11-09", 1n]);
  assertEquals(spend.total, { events: 3, tokens: 26n, cost: 13n });
  assertEquals([spend.complete, spend.lastUse.get("key_1")], [true, NOON]);
});

Deno.test("readSpend reads only what is new, and gives what reading all would give", async () => {
  const gaps = fc.array(
    fc.record({ gap: fc.nat(90_000), cost: fc.nat(1000), model: fc.constantFrom("a", "b", null) }),
    { maxLength: 60 },
  );
  await fc.assert(
    fc.asyncProperty(gaps, fc.integer({ min: 1, max: 7 }), async (steps, every) => {
      const journal = new Journal();
      let now = NOON;
      let spend: Spend | null = null;
      for (const [i, { gap, cost, model }] of steps.entries()) {
        now += gap;
        journal.events.push(event(i, now, BigInt(cost), model));
        if (i % every === 0) spend = await readSpend(journal.read, now, spend);
      }
      spend = await readSpend(journal.read, now, spend);
      assertEquals(shown(spend), shown(await readSpend(journal.read, now, null)));
    }),
    { numRuns: 50 },
  );
});

Deno.test("readSpend does not read a long journal again, but corrects itself after a while", async () => {
  const journal = new Journal();
  for (let i = 0; i < 5000; i++) journal.events.push(event(i, NOON - DAY + i * 1000, 1n));
  const first = await readSpend(journal.read, NOON, null);
  journal.given = 0;
  const second = await readSpend(journal.read, NOON + 10_000, first);
  assertEquals(journal.given <= 61, true, `${journal.given} events were read again`);
  assertEquals(second.total.cost, 5000n);
  // A late settlement corrects an old event.
  journal.events[0] = event(0, NOON - DAY, 500n);
  const third = await readSpend(journal.read, NOON + 16 * 60_000, second);
  assertEquals(third.total.cost, 5499n);
});

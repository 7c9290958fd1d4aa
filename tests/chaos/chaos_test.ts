/** The short version of `deno task chaos`: fixed seeds, a few hundred requests. */
import { assert, assertEquals } from "@std/assert";
import type { SessionLedger, SettleInput } from "../../gateway/sessions/ledger/ledger.ts";
import { runChaos } from "./chaos_run.ts";
import { seeded } from "./random.ts";

for (const seed of [1, 2, 3]) {
  Deno.test(`chaos loses nothing, leaves nothing open and keeps the books right (seed ${seed})`, async () => {
    const report = await runChaos({
      seed,
      again: (round) => round < 2,
      requests: 60,
      clients: 8,
      storeFaults: seed === 1 ? 0 : 0.1,
    });
    assertEquals(report.problems, []);
    assertEquals(report.requests, 120);
    // It was a bad day.
    assert(report.upstreamCalls > 60, String(report.upstreamCalls));
    assert(report.gone > 5, String(report.gone));
    assert((report.statuses.get(200) ?? 0) > 20, JSON.stringify([...report.statuses]));
    assert(seed === 1 || report.storeFaults > 10, String(report.storeFaults));
  });
}

/** A ledger that is told something else than the gateway said. */
function bent(
  ledger: SessionLedger,
  bend: (input: SettleInput) => SettleInput,
): SessionLedger {
  return new Proxy(ledger, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== "settle") return member.bind(target);
      return (input: SettleInput) => member.call(target, bend(input));
    },
  });
}

const TAMPERED: Record<string, [RegExp, (ledger: SessionLedger) => SessionLedger]> = {
  "a token too many": [
    /are not booked/,
    (ledger) =>
      bent(ledger, (input) =>
        input.actual === "held" ? input : {
          ...input,
          actual: { ...input.actual, tokens: input.actual.tokens + 1n },
        }),
  ],
  "another lease": [
    /never granted/,
    (ledger) =>
      bent(ledger, (input) => ({
        ...input,
        lease: { ...input.lease, leaseId: `${input.lease.leaseId.slice(0, -1)}_` },
      })),
  ],
};

for (const [name, [expected, tamper]] of Object.entries(TAMPERED)) {
  Deno.test(`chaos notices books that are wrong: ${name}`, async () => {
    const { problems } = await runChaos({
      seed: 5,
      again: (round) => round < 1,
      requests: 20,
      clients: 4,
      storeFaults: 0,
      tamper,
    });
    assert(problems.some((problem) => expected.test(problem)), problems.join("\n"));
  });
}

Deno.test("chaos is the same for the same seed", () => {
  const draw = (seed: number): number[] => {
    const random = seeded(seed);
    return Array.from({ length: 20 }, () => random.int(0, 1000));
  };
  assertEquals(draw(7), draw(7));
  assert(draw(7).join() !== draw(8).join());
});

/** The short version of `deno task chaos`: fixed seeds, a few hundred requests. */
import { assert, assertEquals } from "@std/assert";
import type {
  Grant,
  SessionLedger,
  Settled,
  SettleInput,
} from "../../gateway/sessions/ledger/ledger.ts";
import { NOTHING } from "../../gateway/sessions/limits.ts";
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
    if (seed === 1) assertEquals(report.expired, 0, "the store was there all the time");
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

/** Another answer than the store gave. */
function answering(
  ledger: SessionLedger,
  verb: "reserve" | "settle",
  answer: (call: () => Promise<unknown>, input: unknown) => Promise<unknown>,
): SessionLedger {
  return new Proxy(ledger, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      if (name !== verb) return member.bind(target);
      return (...given: unknown[]) => answer(() => member.apply(target, given), given[0]);
    },
  });
}

const NEVER_SETTLED: Settled = {
  state: "settled",
  already: false,
  late: false,
  actual: NOTHING,
  overrun: NOTHING,
  limits: [],
};

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
  "one settlement that is taken and lost": [
    /given up after 1 attempts/,
    (ledger) => {
      let lost = 0;
      return answering(ledger, "settle", (call, input) => {
        const counted = (input as SettleInput).actual !== "held";
        return counted && lost++ === 0 ? Promise.resolve(NEVER_SETTLED) : call();
      });
    },
  ],
  "a grant beyond its limit": [
    /in flight: law 1/,
    (ledger) =>
      answering(ledger, "reserve", async (call) => {
        const outcome = await call() as Grant;
        if (!outcome.granted) return outcome;
        const limits = outcome.limits.map((one) => ({ ...one, held: one.value + 1n }));
        return { ...outcome, limits };
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

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { FakeClock, SynthError } from "@synth/core";
import { amounts } from "../limits.ts";
import type { LeaseRef, SessionLedger } from "./ledger.ts";
import { openSqliteLedger } from "./ledger_sqlite.ts";
import { ask, limit, NO_DETAIL, spec } from "./testing/samples.ts";

const SESSIONS = [0, 1, 2].map((n) => `sess_${String(n).padStart(26, "0")}`);

/** What is asked of the ledger; `lease` and `session` are small numbers. */
type Verb =
  | { do: "reserve"; lease: number; session: number; user: number; wanted: number; prefix: number }
  | { do: "settle"; lease: number; share: number; prefix: number }
  | { do: "wrong"; lease: number }
  | { do: "release"; lease: number }
  | { do: "heartbeat"; session: number }
  | { do: "limit"; session: number; id: number; window: boolean }
  | { do: "record"; session: number; reference: number }
  | { do: "end"; session: number };

const small = fc.nat(9);
const verb: fc.Arbitrary<Verb> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("reserve" as const),
      lease: small,
      session: fc.nat(4),
      user: fc.nat(1),
      wanted: fc.nat(300),
      prefix: fc.nat(40),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("settle" as const),
      lease: small,
      share: fc.nat(3),
      prefix: fc.nat(40),
    }),
  },
  fc.record({ do: fc.constant("wrong" as const), lease: small }),
  fc.record({ do: fc.constant("release" as const), lease: small }),
  fc.record({ do: fc.constant("heartbeat" as const), session: fc.nat(2) }),
  fc.record({
    do: fc.constant("limit" as const),
    session: fc.nat(2),
    id: fc.nat(2),
    window: fc.boolean(),
  }),
  fc.record({ do: fc.constant("record" as const), session: fc.nat(2), reference: fc.nat(5) }),
  fc.record({ do: fc.constant("end" as const), session: fc.nat(2) }),
);

/** One ledger and the grants that it gave: who settles holds the very object of the grant. */
class Side {
  readonly refs: Map<number, LeaseRef> = new Map();

  constructor(readonly ledger: SessionLedger, readonly org: string) {}

  async open(): Promise<void> {
    const { ledger, org } = this;
    for (const [n, id] of SESSIONS.entries()) {
      const limits = [limit("cost", 4000, { id: "c" }), limit("tokens", 3000, { id: "t" })];
      await ledger.openSession({
        org,
        user: `u${n % 2}`,
        keyId: "k",
        makeActive: n < 2,
        spec: spec(limits, { id, idleMs: n === 2 ? 5000 : null }),
      });
    }
    await ledger.addLimit({ org, kind: "org", id: org }, limit("tokens", 9000, { id: "o" }));
  }

  /** Asks; what it is answered, errors by their code. */
  async ask(verb: Verb, known: ReadonlyMap<number, LeaseRef>): Promise<unknown> {
    try {
      return await this.#ask(verb, known);
    } catch (error) {
      if (error instanceof SynthError) return error.code;
      throw error;
    }
  }

  async #ask(verb: Verb, known: ReadonlyMap<number, LeaseRef>): Promise<unknown> {
    const { ledger, org } = this;
    const session = "session" in verb ? SESSIONS[verb.session] ?? "" : "";
    switch (verb.do) {
      case "reserve": {
        const open = spec([limit("cost", 900, { id: "c" })], { id: SESSIONS[verb.user] ?? "" });
        const outcome = await ledger.reserve(ask(
          org,
          verb.session < 3
            ? session
            : verb.session === 3
            ? { kind: "none" }
            : { kind: "auto", open },
          {
            leaseId: `lease_${verb.lease}`,
            user: `u${verb.user}`,
            outputWanted: verb.wanted + 20,
            prefixes: [{ hash: `p${verb.prefix}`, rest: 5 }],
          },
        ));
        if (outcome.granted) this.refs.set(verb.lease, outcome.lease);
        return outcome;
      }
      case "settle":
      case "wrong":
      case "release": {
        const leaseId = `lease_${verb.lease}`;
        const lease = this.refs.get(verb.lease) ?? known.get(verb.lease) ??
          { leaseId, org, keyId: "k", sessionId: SESSIONS[0] ?? null };
        if (verb.do === "release") return await ledger.release(lease);
        if (verb.do === "wrong") {
          const ref = { ...lease, keyId: "another" };
          return await ledger.settle({
            lease: ref,
            actual: "held",
            detail: NO_DETAIL,
            remember: [],
            ifUnknown: "refuse",
          });
        }
        const tokens = BigInt(verb.share) * 110n;
        return await ledger.settle({
          lease,
          actual: verb.share === 0 ? "held" : amounts({ tokens, cost: tokens * 2n, api_calls: 1n }),
          detail: NO_DETAIL,
          remember: [{ hash: `p${verb.prefix}`, tokens: 10 + verb.share }],
        });
      }
      case "heartbeat":
        return (await ledger.heartbeat(org, session))?.seenAt;
      case "limit": {
        const windowMs = verb.window ? 60_000 : null;
        const one = limit("tokens", 2500, { id: `x${verb.id}`, windowMs });
        return await ledger.addLimit({ org, kind: "session", id: session }, one);
      }
      case "record":
        return (await ledger.recordUsage({
          org,
          sessionId: session,
          user: "u0",
          keyId: "k",
          referenceId: `r${verb.reference}`,
          referenceType: "custom",
          amounts: amounts({ tokens: 30n, cost: 40n }),
          metadata: {},
        }))?.changed;
      case "end":
        return (await ledger.endSession(org, session))?.changed;
    }
  }

  /** All that can be read of it. */
  async state(): Promise<unknown> {
    const { ledger, org } = this;
    return {
      sessions: await Promise.all(SESSIONS.map((id) => ledger.getSession(org, id))),
      active: [await ledger.activeSession(org, "u0"), await ledger.activeSession(org, "u1")],
      key: await ledger.scope({ org, kind: "key", id: "k" }),
      org: await ledger.scope({ org, kind: "org", id: org }),
      journal: await ledger.listUsage(org, { limit: 1000 }),
    };
  }
}

Deno.test("SqliteLedger answers what comes at once as if it had come one by one", async () => {
  const clock = new FakeClock();
  const alone = await openSqliteLedger({ path: ":memory:", clock });
  const together = await openSqliteLedger({ path: ":memory:", clock });
  let orgs = 0;
  const groups = fc.array(
    fc.record({ verbs: fc.array(verb, { minLength: 1, maxLength: 12 }), ms: fc.nat(3000) }),
    { minLength: 1, maxLength: 8 },
  );
  await fc.assert(
    fc.asyncProperty(groups, async (all) => {
      const org = `org${orgs++}`;
      const [one, many] = [new Side(alone, org), new Side(together, org)];
      await one.open();
      await many.open();
      for (const { verbs, ms } of all) {
        clock.jump(clock.now() + ms);
        const expected: unknown[] = [];
        for (const verb of verbs) expected.push(await one.ask(verb, one.refs));
        // All of them reach the store in one turn of the event loop: one transaction.
        const answers = await Promise.all(verbs.map((verb) => many.ask(verb, one.refs)));
        assertEquals(answers, expected);
        assertEquals(await many.state(), await one.state());
      }
    }),
    { numRuns: 200 },
  );
  await alone.close();
  await together.close();
});

Deno.test("SqliteLedger loses nothing of a batch in which one write throws", async () => {
  const ledger = await openSqliteLedger({ path: ":memory:", clock: new FakeClock() });
  const side = new Side(ledger, "org");
  await side.open();
  const reserve = (lease: number): Verb => {
    return { do: "reserve", lease, session: 0, user: 0, wanted: 80, prefix: 0 };
  };
  await side.ask(reserve(0), side.refs);
  const answers = await Promise.all([
    side.ask(reserve(1), side.refs),
    side.ask({ do: "wrong", lease: 0 }, side.refs),
    side.ask(reserve(2), side.refs),
    side.ask({ do: "settle", lease: 0, share: 1, prefix: 1 }, side.refs),
  ]);
  assertEquals(answers[1], "lease_mismatch");
  const session = await ledger.getSession("org", SESSIONS[0] ?? "");
  const tokens = session?.limits.find(({ id }) => id === "t");
  // Two leases of 100 in and 100 out are open, one came to 110.
  assertEquals([tokens?.held, tokens?.charged, tokens?.overrun], [400n, 110n, 0n]);
  assertEquals(session?.used.tokens, 110n);
  assertEquals((await ledger.listUsage("org")).length, 1);
  await ledger.close();
});

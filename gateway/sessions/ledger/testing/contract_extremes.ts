/** Large numbers, many requests at once, strange names. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { newId, SynthError } from "@synth/core";
import { amounts, MAX_LIMIT, remaining, used } from "../../limits.ts";
import { decide } from "../decide.ts";
import {
  MAX_RATE,
  MAX_REQUEST_AMOUNT,
  MAX_REQUEST_TOKENS,
  MAX_USED,
  type ReserveInput,
} from "../ledger.ts";
import { opened, type RegisterTest, usageOf } from "./contract_frame.ts";
import { ask, FREE, granted, limit, refused, spec, usage } from "./samples.ts";

/** Registers the tests. */
export function extremeContract(test: RegisterTest): void {
  test("counts large money exactly", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("cost", MAX_LIMIT)]))).session;
    const dear = [{ aboveInput: 0, input: MAX_RATE, output: MAX_RATE }];
    const input = { rates: dear, inputBound: MAX_REQUEST_TOKENS, outputMin: 0 };
    const first = granted(await ledger.reserve(ask(org, id, input)));
    assertEquals(first.held.cost, 1_000_002_000_000_000n);
    for (let n = 0; n < 5; n++) {
      const grant = granted(await ledger.reserve(ask(org, id, { rates: dear })));
      const actual = amounts({ cost: MAX_REQUEST_AMOUNT - BigInt(n) });
      await ledger.settle({ ...usageOf(grant.lease), actual });
      if (n === 1) break;
    }
    const state = (await ledger.getSession(org, id))?.limits[0];
    assertEquals(state && used(state), 2n * MAX_REQUEST_AMOUNT - 1n);
    const last = granted(await ledger.reserve(ask(org, id, { rates: FREE })));
    for (const _ of [1, 2, 3]) {
      await ledger.recordUsage({
        org,
        sessionId: id,
        user: "user",
        keyId: "k",
        referenceId: newId("r"),
        referenceType: "custom",
        amounts: amounts({ cost: MAX_REQUEST_AMOUNT - 1n }),
        metadata: {},
      });
    }
    const { limits } = await ledger.settle({
      ...usageOf(last.lease),
      actual: amounts({ cost: 1n }),
    });
    // Far beyond 2^53, and nothing is rounded.
    const whole = limits[0];
    assertEquals(whole && used(whole), 5n * MAX_REQUEST_AMOUNT - 3n);
    assertEquals((await ledger.getSession(org, id))?.used.cost, 5n * MAX_REQUEST_AMOUNT - 3n);
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "exceeded");
  });

  test(
    "records no more than its counters hold, and settles whatever was recorded",
    async (ledger, org) => {
      const { id } = (await opened(ledger, org)).session;
      const record = async () =>
        await ledger.recordUsage({
          org,
          sessionId: id,
          user: "user",
          keyId: "k",
          referenceId: newId("r"),
          referenceType: "custom",
          amounts: amounts({ gpu_time: MAX_REQUEST_AMOUNT }),
          metadata: {},
        });
      const grant = granted(await ledger.reserve(ask(org, id)));
      for (let n = 0n; n < MAX_USED / MAX_REQUEST_AMOUNT; n += 50n) {
        await Promise.all(Array.from({ length: 50 }, record));
      }
      assertEquals((await assertRejects(record, SynthError)).code, "usage_too_large");
      const actual = amounts({ gpu_time: MAX_REQUEST_AMOUNT });
      assertEquals((await ledger.settle({ ...usageOf(grant.lease), actual })).already, false);
      const session = await ledger.getSession(org, id);
      assertEquals(session?.used.gpu_time, MAX_USED + MAX_REQUEST_AMOUNT);
    },
  );

  test("grants the largest output that exact arithmetic allows", async (ledger, org) => {
    const amount = fc.oneof(fc.bigInt(0n, MAX_LIMIT), fc.bigInt(0n, 10n ** 13n));
    const rate = fc.oneof(fc.bigInt(0n, MAX_RATE), fc.bigInt(0n, 20_000_000n));
    const tokens = fc.oneof(fc.nat(MAX_REQUEST_TOKENS), fc.nat(5000));
    const property = fc.asyncProperty(
      fc.tuple(amount, fc.constantFrom("tokens" as const, "cost" as const)),
      fc.tuple(tokens, fc.nat(MAX_REQUEST_TOKENS), fc.nat(16), fc.integer({ min: 1, max: 7 })),
      fc.tuple(rate, rate, rate, rate, tokens, fc.bigInt(0n, MAX_REQUEST_AMOUNT / 4n)),
      async ([value, metric], [inputBound, most, outputMin, times], [a, b, c, d, above, fees]) => {
        const only = limit(metric, value);
        const { id } = (await opened(ledger, org, spec([only]), false)).session;
        const input = ask(org, id, {
          inputBound,
          outputWanted: Math.max(outputMin, Math.floor(most / times)),
          outputMin,
          outputTimes: times,
          rates: [{ aboveInput: 0, input: a, output: b }, {
            aboveInput: above,
            input: c,
            output: d,
          }],
          fees: fees % 3n === 0n ? fees : 0n,
        });
        const state = { ...only, scope: "session" as const, held: 0n, charged: 0n, overrun: 0n };
        const expected = decide([state], input, inputBound);
        const real = await ledger.reserve(input);
        assertEquals(real.granted, expected.ok);
        if (real.granted && expected.ok) {
          assertEquals(real.outputTokens, expected.output);
          assertEquals(real.held, expected.held);
        } else if (!real.granted && !expected.ok && "asked" in real) {
          assertEquals(real.asked, expected.asked);
        }
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });

  test("never passes a limit under 200 requests at once", async (ledger, org, subject) => {
    const session = spec([limit("tokens", 10_000), limit("cost", 20_000)]);
    const { id } = (await opened(ledger, org, session)).session;
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, n) => {
        const connection = subject.ledgers[n % subject.ledgers.length] ?? ledger;
        return connection.reserve(ask(org, id, { outputWanted: 50 + n % 7 }));
      }),
    );
    const grants = outcomes.filter((outcome) => outcome.granted);
    const held = grants.reduce((sum, grant) => sum + grant.held.tokens, 0n);
    assert(held <= 10_000n, String(held));
    const full = await ledger.getSession(org, id);
    assertEquals(full?.limits[0]?.held, held);
    assert(full?.limits.some((one) => remaining(one) < (one.metric === "tokens" ? 116n : 164n)));
    for (const outcome of outcomes) {
      if (!outcome.granted) assertEquals(outcome.reason, "reserved");
    }
    await Promise.all(grants.map((grant, n) => {
      const connection = subject.ledgers[n % subject.ledgers.length] ?? ledger;
      return connection.settle(usage(grant, 60, 60));
    }));
    const after = await ledger.getSession(org, id);
    assertEquals(after?.used.tokens, BigInt(grants.length * 60));
    assertEquals(after?.limits.map((one) => [one.held, one.overrun]), [[0n, 0n], [0n, 0n]]);
    // One after the other, until less than the smallest request is left.
    for (let left = 500; left > 0; left--) {
      const outcome = await ledger.reserve(ask(org, id, { outputWanted: 16 }));
      if (!outcome.granted) break;
      await ledger.settle(usage(outcome, 116, 164));
    }
    const end = await ledger.getSession(org, id);
    assert(end?.limits.some((one) => remaining(one) < (one.metric === "tokens" ? 116n : 164n)));
  });

  test("opens one session for 50 first requests at once", async (ledger, org, subject) => {
    const grants = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const connection = subject.ledgers[n % subject.ledgers.length] ?? ledger;
        return granted(await connection.reserve(ask(org, { kind: "auto", open: spec() })));
      }),
    );
    assertEquals(new Set(grants.map((grant) => grant.lease.sessionId)).size, 1);
    assertEquals(grants.filter((grant) => grant.opened).length, 1);
    assertEquals((await ledger.listSessions(org)).length, 1);
  });

  test("takes any name, and keeps orgs apart", async (ledger) => {
    const names = ["a}:session:x", "a", "a b\nc", "{a}", "ü/../*", "a:b"];
    for (const [n, start] of names.entries()) {
      const name = `${start} ${newId("")}`;
      const who = { user: name, keyId: name };
      const open = spec([limit("tokens", 1000)]);
      const grant = granted(await ledger.reserve(ask(name, { kind: "auto", open }, who)));
      await ledger.settle(usage(grant, n, 0));
      assertEquals((await ledger.activeSession(name, name))?.used.tokens, BigInt(n));
      const scope = await ledger.scope({ org: name, kind: "key", id: name });
      assertEquals(scope?.used.tokens, BigInt(n));
    }
  });

  test("refuses what it could not count", async (ledger, org) => {
    const { id } = (await opened(ledger, org)).session;
    const wrong: Partial<ReserveInput>[] = [
      { inputBound: -1 },
      { inputBound: NaN },
      { inputBound: MAX_REQUEST_TOKENS + 1 },
      { outputWanted: 1.5 },
      { outputMin: 201 },
      { outputTimes: 0 },
      { outputWanted: MAX_REQUEST_TOKENS, outputTimes: 2 },
      { rates: [] },
      { rates: [{ aboveInput: 0, input: MAX_RATE + 1n, output: 0n }] },
      { fees: -1n },
      { leaseId: "a b" },
      { leaseId: "" },
      { keyId: "" },
      { prefixes: [{ hash: "a b", rest: 1 }] },
      { ttlMs: -1 },
      { session: { kind: "id", id: "sess_x" } },
    ];
    for (const more of wrong) {
      const error = await assertRejects(() => ledger.reserve(ask(org, id, more)), SynthError);
      assertEquals(error.status, 400, JSON.stringify(Object.keys(more)));
    }
    for (const value of [-1n, MAX_LIMIT + 1n]) {
      const ref = { org, kind: "org" as const, id: org };
      const error = await assertRejects(
        () => ledger.addLimit(ref, limit("cost", value)),
        SynthError,
      );
      assertEquals(error.code, "invalid_limit");
    }
  });
}

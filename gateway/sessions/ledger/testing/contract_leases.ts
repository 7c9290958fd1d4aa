/** Leases: granting, settling, releasing, expiring. @module */
import { assertEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { amounts, remaining, used } from "../../limits.ts";
import { NOON, opened, type RegisterTest, usageOf } from "./contract_frame.ts";
import { ask, granted, limit, refused, spec, usage } from "./samples.ts";

/** Registers the tests. */
export function leaseContract(test: RegisterTest): void {
  test("grants up to the limit exactly, and says what refuses", async (ledger, org) => {
    const cost = limit("cost", 1000);
    const { id } = (await opened(ledger, org, spec([limit("tokens", 10_000), cost]))).session;
    const first = granted(await ledger.reserve(ask(org, id, { outputWanted: 5000 })));
    assertEquals([first.outputTokens, first.held.cost], [225, 1000n]);
    assertEquals(first.limits.map(remaining), [9675n, 0n]);
    await ledger.settle(usage(first, 200, 835));
    const exact = granted(await ledger.reserve(ask(org, id)));
    assertEquals([exact.outputTokens, exact.held.cost], [16, 164n]);
    await ledger.release(exact.lease);
    await ledger.settle(usage(granted(await ledger.reserve(ask(org, id))), 1, 2));
    const outcome = refused(await ledger.reserve(ask(org, id)));
    if (!("limit" in outcome)) throw new Error(outcome.reason);
    assertEquals([outcome.reason, outcome.limit.id, outcome.asked], ["exceeded", cost.id, 164n]);
    assertEquals([used(outcome.limit), outcome.limit.value], [837n, 1000n]);
  });

  test("tells what is used up from what others hold", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 400)]))).session;
    const first = granted(await ledger.reserve(ask(org, id)));
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "reserved");
    await ledger.release(first.lease);
    const next = granted(await ledger.reserve(ask(org, id)));
    await ledger.settle(usage(next, 300, 1));
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "exceeded");
  });

  test("counts a request in session, key and org, all or none", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 10_000)]))).session;
    const key = { org, kind: "key" as const, id: "k" };
    const whole = { org, kind: "org" as const, id: org };
    await ledger.addLimit(key, limit("cost", 5000));
    await ledger.addLimit(whole, limit("api_calls", 1));
    const first = granted(await ledger.reserve(ask(org, id)));
    const outcome = refused(await ledger.reserve(ask(org, { kind: "none" })));
    assertEquals("limit" in outcome && outcome.limit.scope, "org");
    assertEquals((await ledger.scope(key))?.limits[0]?.held, 900n);
    await ledger.settle(usage(first, 300, 900));
    const totals = await Promise.all([key, whole].map((ref) => ledger.scope(ref)));
    for (const scope of totals) {
      assertEquals(scope?.used, amounts({ tokens: 300n, cost: 900n, api_calls: 1n }));
      assertEquals(scope?.limits[0]?.held, 0n);
    }
    assertEquals(await ledger.scope({ org, kind: "key", id: "unused" }), {
      scope: { org, kind: "key", id: "unused" },
      used: amounts({}),
      limits: [],
    });
  });

  test("does each thing once, however often it is sent", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const input = ask(org, id);
    const first = granted(await ledger.reserve(input));
    assertEquals(await ledger.reserve(input), first);
    const settled = await ledger.settle(usage(first, 150, 7));
    assertEquals([settled.already, settled.actual.cost], [false, 7n]);
    const again = await ledger.settle(usage(first, 999, 999));
    assertEquals([again.already, again.actual.cost], [true, 7n]);
    assertEquals((await ledger.release(first.lease)).state, "settled");
    assertEquals((await ledger.getSession(org, id))?.used.tokens, 150n);
    assertEquals((await ledger.listUsage(org)).length, 1);
  });

  test("never grants a lease that was given back before it came", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const input = ask(org, id);
    const lease = { org, leaseId: input.leaseId, keyId: "k", sessionId: id };
    assertEquals(await ledger.release(lease), { state: "released" });
    assertEquals(refused(await ledger.reserve(input)).reason, "released");
    assertEquals((await ledger.getSession(org, id))?.limits[0]?.held, 0n);
  });

  test("takes no lease for somebody else's", async (ledger, org) => {
    const { id } = (await opened(ledger, org)).session;
    const input = ask(org, id);
    const { lease } = granted(await ledger.reserve(input));
    const wrong = [
      () => ledger.settle({ ...usageOf({ ...lease, keyId: "other" }) }),
      () => ledger.release({ ...lease, sessionId: null }),
      () => ledger.reserve({ ...input, keyId: "other" }),
      () => ledger.reserve({ ...input, session: { kind: "none" as const } }),
    ];
    for (const call of wrong) {
      assertEquals((await assertRejects(call, SynthError)).code, "lease_mismatch");
    }
  });

  test("charges an expired lease, and a late settle corrects it", async (ledger, org, subject) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const first = granted(await ledger.reserve(ask(org, id)));
    subject.setTime(NOON + 59_999);
    assertEquals(await ledger.expireLeases(org), { expired: 0 });
    subject.setTime(NOON + 60_000);
    assertEquals(await ledger.expireLeases(org), { expired: 1 });
    assertEquals(await ledger.expireLeases(org), { expired: 0 });
    const [event] = await ledger.listUsage(org, { sessionId: id });
    assertEquals([event?.expired, event?.amounts.tokens, event?.user], [true, 300n, "user"]);
    assertEquals((await ledger.getSession(org, id))?.used.tokens, 300n);
    const late = await ledger.settle(usage(first, 350, 1));
    assertEquals([late.late, late.overrun.tokens], [true, 50n]);
    assertEquals([late.limits[0]?.charged, late.limits[0]?.overrun], [300n, 50n]);
    const second = granted(await ledger.reserve(ask(org, id)));
    subject.setTime(NOON + 120_000);
    await ledger.expireLeases(org);
    assertEquals((await ledger.settle(usage(second, 10, 1))).limits[0]?.charged, 310n);
    const events = await ledger.listUsage(org);
    assertEquals(events.map((one) => [one.expired, one.amounts.tokens]), [[false, 10n], [
      false,
      350n,
    ]]);
  });

  test("settles a lease once, however long its row is gone", async (ledger, org, subject) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const first = granted(await ledger.reserve(ask(org, id)));
    const second = granted(await ledger.reserve(ask(org, id)));
    const done = await ledger.settle(usage(first, 150, 7));
    subject.setTime(NOON + 60_000);
    await ledger.expireLeases(org);
    await subject.forgetLeases(org, [first, second].map(({ lease }) => lease.leaseId));
    for (const { lease } of [first, second]) {
      const theirs = usageOf({ ...lease, keyId: "other" });
      const error = await assertRejects(() => ledger.settle(theirs), SynthError);
      assertEquals(error.code, "lease_mismatch");
    }
    const again = await ledger.settle({ ...usage(first, 999, 999), ifUnknown: "refuse" });
    assertEquals([again.already, again.actual, again.overrun], [true, done.actual, done.overrun]);
    assertEquals((await ledger.release(first.lease)).state, "settled");
    const late = await ledger.settle(usage(second, 40, 3));
    assertEquals([late.already, late.late, late.actual.tokens], [false, true, 40n]);
    assertEquals((await ledger.settle(usage(second, 41, 3))).already, true);
    const session = await ledger.getSession(org, id);
    assertEquals([session?.used.tokens, session?.limits[0]?.charged], [190n, 190n]);
    const events = await ledger.listUsage(org);
    assertEquals(events.map((one) => one.amounts.tokens).sort(), [150n, 40n]);
    assertEquals(events.map((one) => one.user), ["user", "user"]);
    const more = granted(await ledger.reserve(ask(org, id)));
    subject.setTime(NOON + 120_000);
    await ledger.expireLeases(org);
    await subject.forgetLeases(org, [more.lease.leaseId]);
    const beyond = await ledger.settle(usage(more, 320, 3));
    assertEquals([beyond.overrun.tokens, beyond.limits[0]?.charged], [20n, 510n]);
  });

  test("counts a lease that it does not know, or refuses it", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const lease = { org, leaseId: "never_granted", keyId: "k", sessionId: id };
    const actual = amounts({ tokens: 5n });
    const refusal = () => ledger.settle({ ...usageOf(lease), actual, ifUnknown: "refuse" });
    assertEquals((await assertRejects(refusal, SynthError)).code, "lease_not_found");
    assertEquals((await ledger.getSession(org, id))?.used.tokens, 0n);
    assertEquals((await ledger.settle({ ...usageOf(lease), actual })).late, true);
    assertEquals((await refusal()).already, true);
    assertEquals((await ledger.getSession(org, id))?.used.tokens, 5n);
  });

  test("says of a lease that is granted again whether it has ended", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const input = ask(org, id);
    const first = granted(await ledger.reserve(input));
    assertEquals([first.ended, granted(await ledger.reserve(input)).ended], [undefined, undefined]);
    await ledger.settle(usage(first, 1, 1));
    assertEquals(granted(await ledger.reserve(input)).ended, true);
  });

  test("charges what a lease held when nobody knows more", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("cost", 5000)]))).session;
    const grant = granted(await ledger.reserve(ask(org, id)));
    const { actual } = await ledger.settle({ ...usageOf(grant.lease), actual: "held" });
    assertEquals(actual, grant.held);
  });

  test("shows as overrun what an upstream used beyond its cap", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 300)]))).session;
    const grant = granted(await ledger.reserve(ask(org, id)));
    const { limits, overrun } = await ledger.settle(usage(grant, 1300, 0));
    assertEquals([limits[0]?.charged, limits[0]?.overrun, overrun.tokens], [300n, 1000n, 1000n]);
    assertEquals((await ledger.getSession(org, id))?.status, "limit_exceeded");
  });
}

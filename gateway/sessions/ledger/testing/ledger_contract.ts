/** What every ledger does, whatever it keeps its books in. @module */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { newId, SynthError } from "@synth/core";
import { amounts, MAX_LIMIT, remaining, used, warningsOf } from "../../limits.ts";
import { decide } from "../decide.ts";
import {
  MAX_RATE,
  MAX_REQUEST_AMOUNT,
  MAX_REQUEST_TOKENS,
  type ReserveInput,
  type SessionLedger,
} from "../ledger.ts";
import { ask, FREE, granted, limit, NO_DETAIL, refused, spec, usage } from "./samples.ts";

/** A store under test. */
export interface LedgerSubject extends AsyncDisposable {
  /** Several connections to one store; the first is used where one will do. */
  readonly ledgers: readonly SessionLedger[];
  /** Sets the store's clock for all of them. */
  setTime(ms: number): void;
}

/** A few seconds of the store's time, so that windows and expiries are round. */
export const NOON = 1_750_000_020_000;

/** Registers the tests. */
export function ledgerContract(name: string, open: () => Promise<LedgerSubject>): void {
  function test(
    criterion: string,
    fn: (ledger: SessionLedger, org: string, subject: LedgerSubject) => Promise<void>,
  ): void {
    Deno.test(`${name} ${criterion}`, async () => {
      await using subject = await open();
      subject.setTime(NOON);
      const ledger = subject.ledgers[0];
      if (ledger === undefined) throw new Error("a subject has a ledger");
      await fn(ledger, newId("org_"), subject);
    });
  }

  function opened(ledger: SessionLedger, org: string, session = spec(), makeActive = true) {
    return ledger.openSession({ org, user: "user", keyId: "k", makeActive, spec: session });
  }

  test("opens a session once for each id", async (ledger, org) => {
    const wanted = spec([limit("tokens", 10), limit("cost", 20)], {
      ttlMs: 1000,
      type: "codex_agent",
      tracingSessionId: "trace",
      metadata: { b: [1, null], a: "ü" },
    });
    const first = await opened(ledger, org, wanted);
    assertEquals([first.created, first.ended], [true, null]);
    assertEquals(first.session.metadata, { b: [1, null], a: "ü" });
    assertEquals(first.session.expiresAt, NOON + 1000);
    assertEquals([first.session.status, first.session.isActive], ["active", true]);
    assertEquals(first.session.limits.map(remaining), [10n, 20n]);
    const again = await opened(ledger, org, { ...wanted, metadata: { a: "ü", b: [1, null] } });
    assertEquals([again.created, again.session], [false, first.session]);
    assertEquals(await ledger.getSession(org, wanted.id), first.session);
    for (const other of [{ ...wanted, type: "x" }, { ...wanted, ttlMs: 1001 }]) {
      const error = await assertRejects(() => opened(ledger, org, other), SynthError);
      assertEquals(error.code, "session_conflict");
    }
  });

  test("has one active session for each org and user", async (ledger, org) => {
    const [one, two, launched] = [spec(), spec(), spec()];
    await opened(ledger, org, one);
    await opened(ledger, org, launched, false);
    assertEquals((await ledger.activeSession(org, "user"))?.id, one.id);
    assertEquals((await opened(ledger, org, two)).ended, one.id);
    assertEquals((await ledger.activeSession(org, "user"))?.id, two.id);
    assertEquals((await ledger.getSession(org, one.id))?.status, "ended");
    assertEquals((await ledger.getSession(org, launched.id))?.status, "active");
    // Sent again, late: it does not take the place back.
    await opened(ledger, org, one);
    assertEquals((await ledger.activeSession(org, "user"))?.id, two.id);
    assertEquals(await ledger.activeSession(org, "other"), null);
    assertEquals(await ledger.activeSession("other", "user"), null);
  });

  test("ends a session once, and settles its open leases", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1000)]))).session;
    const lease = granted(await ledger.reserve(ask(org, id)));
    const ended = await ledger.endSession(org, id);
    assertEquals([ended?.changed, ended?.value.status, ended?.value.endedAt], [
      true,
      "ended",
      NOON,
    ]);
    assertEquals((await ledger.endSession(org, id))?.changed, false);
    assertEquals(await ledger.activeSession(org, "user"), null);
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "session_ended");
    const settled = await ledger.settle(usage(lease, 120, 120));
    assertEquals([settled.late, settled.limits[0]?.charged], [false, 120n]);
    assertEquals(await ledger.endSession(org, spec().id), null);
  });

  test(
    "lists sessions newest first, by page, user, status and activity",
    async (ledger, org, subject) => {
      const ids: string[] = [];
      for (let n = 0; n < 7; n++) {
        subject.setTime(NOON + n);
        const { session } = await ledger.openSession({
          org,
          user: n % 2 === 0 ? "even" : "odd",
          keyId: "k",
          makeActive: true,
          spec: spec(n === 6 ? [limit("cost", 0)] : []),
        });
        ids.unshift(session.id);
      }
      const list = async (query: Parameters<SessionLedger["listSessions"]>[1]) =>
        (await ledger.listSessions(org, query)).map((one) => ids.indexOf(one.id));
      assertEquals(await list({}), [0, 1, 2, 3, 4, 5, 6]);
      assertEquals(await list({ limit: 2, offset: 3 }), [3, 4]);
      assertEquals(await list({ user: "odd" }), [1, 3, 5]);
      assertEquals(await list({ active: true }), [0, 1]);
      assertEquals(await list({ active: false, limit: 2, offset: 1 }), [3, 4]);
      assertEquals(await list({ status: "limit_exceeded" }), [0]);
      assertEquals(await list({ status: "ended" }), [2, 3, 4, 5, 6]);
      assertEquals(await list({ offset: 99 }), []);
      assertEquals(await ledger.listSessions("other"), []);
      await assertRejects(() => ledger.listSessions(org, { limit: 1001 }), SynthError);
    },
  );

  test(
    "expires a session by deadline and by idleness, and a request keeps it alive",
    async (ledger, org, subject) => {
      const dated = (await opened(ledger, org, spec([], { ttlMs: 5000 }), false)).session.id;
      const idle =
        (await opened(ledger, org, spec([limit("tokens", 0)], { idleMs: 3000 }))).session;
      subject.setTime(NOON + 2999);
      assertEquals((await ledger.heartbeat(org, idle.id))?.expiresAt, NOON + 5999);
      subject.setTime(NOON + 5000);
      // Refused, and yet a sign of life: an exceeded session stays in the way.
      assertEquals(refused(await ledger.reserve(ask(org, idle.id))).reason, "exceeded");
      assertEquals((await ledger.getSession(org, idle.id))?.expiresAt, NOON + 8000);
      assertEquals((await ledger.getSession(org, dated))?.status, "expired");
      assertEquals(refused(await ledger.reserve(ask(org, dated))).reason, "session_expired");
      subject.setTime(NOON + 8000);
      assertEquals((await ledger.heartbeat(org, idle.id))?.status, "expired");
      assertEquals(await ledger.activeSession(org, "user"), null);
      assertEquals(await ledger.heartbeat(org, spec().id), null);
    },
  );

  test("attaches a request to the active session, or opens one", async (ledger, org, subject) => {
    const auto = () => ({ kind: "auto" as const, open: spec([limit("tokens", 350)]) });
    const first = granted(await ledger.reserve(ask(org, auto())));
    assertEquals([first.opened, first.outputTokens], [true, 200]);
    const second = refused(await ledger.reserve(ask(org, auto())));
    assertEquals([second.reason, second.sessionId], ["reserved", first.lease.sessionId]);
    await ledger.settle(usage(first, 340, 340));
    for (let n = 0; n < 20; n++) {
      const more = refused(await ledger.reserve(ask(org, auto())));
      assertEquals([more.reason, more.sessionId], ["exceeded", first.lease.sessionId]);
    }
    assertEquals((await ledger.listSessions(org)).length, 1);
    await ledger.endSession(org, first.lease.sessionId ?? "");
    const next = granted(await ledger.reserve(ask(org, auto())));
    assert(next.opened);
    assertNotEquals(next.lease.sessionId, first.lease.sessionId);
    // Another gateway has made another session active: it is found.
    const [, other = ledger] = subject.ledgers;
    const { session } = await opened(other, org, spec());
    const moved = granted(await ledger.reserve(ask(org, auto())));
    assertEquals([moved.lease.sessionId, moved.opened], [session.id, false]);
  });

  test("opens no session for a request that is refused", async (ledger, org) => {
    await ledger.addLimit({ org, kind: "org", id: org }, limit("api_calls", 0));
    const open = spec();
    const outcome = refused(await ledger.reserve(ask(org, { kind: "auto", open })));
    assertEquals([outcome.reason, outcome.sessionId], ["exceeded", null]);
    assertEquals(await ledger.listSessions(org), []);
  });

  test("refuses unknown sessions and those of others", async (ledger, org) => {
    const { id } = (await opened(ledger, org)).session;
    assertEquals(refused(await ledger.reserve(ask("other", id))).reason, "session_unknown");
    assertEquals(refused(await ledger.reserve(ask(org, spec().id))).reason, "session_unknown");
    assertEquals(await ledger.getSession("other", id), null);
    assertEquals(await ledger.endSession("other", id), null);
    assertEquals(await ledger.scope({ org: "other", kind: "session", id }), null);
  });

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

  test("lets a used-up cost limit refuse what costs, not what is free", async (ledger, org) => {
    const zero = spec([limit("cost", 0)]);
    const { id } = (await opened(ledger, org, zero)).session;
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "exceeded");
    const free = granted(await ledger.reserve(ask(org, id, { rates: FREE })));
    assertEquals(free.outputTokens, 200);
    // Even when the limit is overrun.
    await ledger.settle(usage(free, 100, 77));
    assertEquals(granted(await ledger.reserve(ask(org, id, { rates: FREE }))).outputTokens, 200);
  });

  test("refuses every protected request at a reached GPU limit", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("gpu_time", 60_000)]))).session;
    const job = { outputWanted: 0, outputMin: 0, inputBound: 0, apiCalls: 0n, gpuTime: 30_000n };
    for (let beat = 0; beat < 2; beat++) {
      const grant = granted(await ledger.reserve(ask(org, id, job)));
      assertEquals([grant.held.gpu_time, grant.held.api_calls], [30_000n, 0n]);
      assert((await ledger.reserve(ask(org, id, { rates: FREE }))).granted);
      await ledger.settle({ ...usageOf(grant.lease), actual: "held" });
    }
    for (const more of [job, { rates: FREE }, {}]) {
      const outcome = refused(await ledger.reserve(ask(org, id, more)));
      assertEquals("limit" in outcome && outcome.limit.metric, "gpu_time");
    }
  });

  test(
    "warns at soft limits and thresholds, and clamps nothing without a hard limit",
    async (ledger, org) => {
      const soft = limit("tokens", 100, { kind: "soft" });
      const marked = limit("api_calls", 10, { kind: "soft", warnPpm: 100_000 });
      const { id } = (await opened(ledger, org, spec([soft, marked]))).session;
      const grant = granted(await ledger.reserve(ask(org, id)));
      assertEquals(grant.outputTokens, null);
      assertEquals(warningsOf(grant.limits).map(({ reason, limit }) => [limit.id, reason]), [
        [soft.id, "soft_limit_exceeded"],
        [marked.id, "warning_threshold_reached"],
      ]);
    },
  );

  test(
    "refuses what has no price or no bound where a hard limit counts it",
    async (ledger, org) => {
      const plain = (await opened(ledger, org, spec([limit("tokens", 1000)]), false)).session.id;
      const paid = (await opened(ledger, org, spec([limit("cost", 1000)]), false)).session.id;
      const calls = (await opened(ledger, org, spec([limit("api_calls", 9)]), false)).session.id;
      const reason = async (id: string, more: Partial<ReserveInput>) => {
        const outcome = await ledger.reserve(ask(org, id, more));
        return outcome.granted ? "granted" : outcome.reason;
      };
      assertEquals(await reason(paid, { rates: null }), "price_unknown");
      assertEquals(await reason(plain, { rates: null }), "granted");
      assertEquals(await reason(plain, { unmeterable: true }), "unmeterable");
      assertEquals(await reason(paid, { unmeterable: true }), "unmeterable");
      assertEquals(await reason(calls, { unmeterable: true, rates: null }), "granted");
    },
  );

  test("bounds the input by the longest prefix that the session remembers", async (ledger, org) => {
    const { id } = (await opened(ledger, org, spec([limit("tokens", 1_000_000)]))).session;
    const inputOf = async (prefixes: ReserveInput["prefixes"], inputBound = 9000) =>
      granted(await ledger.reserve(ask(org, id, { prefixes, inputBound }))).inputTokens;
    assertEquals(await inputOf([{ hash: "a", rest: 5 }]), 9000);
    const grant = granted(await ledger.reserve(ask(org, id)));
    const remember = [{ hash: "a", tokens: 1000 }, { hash: "ab", tokens: 1500 }];
    await ledger.settle(usage(grant, 1, 1, { remember }));
    const candidates = [{ hash: "abc", rest: 0 }, { hash: "ab", rest: 40 }, {
      hash: "a",
      rest: 700,
    }];
    assertEquals(await inputOf(candidates), 1540);
    assertEquals(await inputOf(candidates, 1200), 1200);
    assertEquals(await inputOf([{ hash: "a", rest: 700 }]), 1700);
    for (let n = 0; n < 8; n++) {
      const next = granted(await ledger.reserve(ask(org, id)));
      const four = [0, 1, 2, 3].map((m) => ({ hash: `p${n * 4 + m}`, tokens: n }));
      await ledger.settle(usage(next, 1, 1, { remember: four }));
    }
    assertEquals(await inputOf(candidates), 9000);
    assertEquals(await inputOf([{ hash: "p0", rest: 10 }]), 10);
  });

  test(
    "frees a rolling window bucket by bucket, the oldest counted whole",
    async (ledger, org, subject) => {
      const windowed = spec([limit("tokens", 300, { windowMs: 60_000 })]);
      const { id } = (await opened(ledger, org, windowed)).session;
      await ledger.settle(usage(granted(await ledger.reserve(ask(org, id))), 300, 0));
      const outcome = refused(await ledger.reserve(ask(org, id)));
      assertEquals("freesAt" in outcome && outcome.freesAt, NOON + 61_000);
      subject.setTime(NOON + 60_999);
      assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "exceeded");
      // The clock jumps back: the session's time does not.
      subject.setTime(NOON + 61_000);
      const grant = granted(await ledger.reserve(ask(org, id)));
      subject.setTime(NOON - 3_600_000);
      await ledger.settle(usage(grant, 300, 0));
      assertEquals((await ledger.getSession(org, id))?.limits[0]?.charged, 300n);
      assertEquals((await ledger.getSession(org, id))?.used.tokens, 600n);
    },
  );

  test("adds and raises limits once, and counts what came before", async (ledger, org) => {
    const { id } = (await opened(ledger, org)).session;
    const ref = { org, kind: "session" as const, id };
    await ledger.settle(usage(granted(await ledger.reserve(ask(org, id))), 300, 0));
    const added = limit("tokens", 250);
    const first = await ledger.addLimit(ref, added);
    assertEquals([first?.changed, first?.value.charged, first?.value.overrun], [true, 250n, 50n]);
    assertEquals((await ledger.addLimit(ref, { ...added, value: 9n }))?.changed, false);
    assertEquals(refused(await ledger.reserve(ask(org, id))).reason, "exceeded");
    const raise = { limitId: added.id, by: 250n, operationId: "op1" };
    assertEquals((await ledger.raiseLimit(ref, raise))?.value.value, 500n);
    const again = await ledger.raiseLimit(ref, raise);
    assertEquals([again?.changed, again?.value.value], [false, 500n]);
    assertEquals(granted(await ledger.reserve(ask(org, id))).outputTokens, 100);
    const huge = { ...raise, by: MAX_LIMIT, operationId: "op2" };
    const error = await assertRejects(() => ledger.raiseLimit(ref, huge), SynthError);
    assertEquals(error.code, "limit_too_large");
    assertEquals(await ledger.raiseLimit(ref, { ...raise, limitId: "none" }), null);
    assertEquals(await ledger.addLimit({ ...ref, id: spec().id }, added), null);
    for (let n = 1; n < 32; n++) await ledger.addLimit(ref, limit("tokens", 1, { kind: "soft" }));
    const full = await assertRejects(() => ledger.addLimit(ref, limit("cost", 1)), SynthError);
    assertEquals(full.code, "invalid_limit");
  });

  test(
    "records usage once for each reference, and journals it with the leases",
    async (ledger, org, subject) => {
      const { id } = (await opened(ledger, org, spec([limit("gpu_time", 100)]))).session;
      const input = {
        org,
        sessionId: id,
        user: "user",
        keyId: "k",
        referenceId: "job:1/é".normalize("NFD").replace(/[^\x21-\x7e]/g, ""),
        referenceType: "wall_clock_event",
        amounts: amounts({ gpu_time: 130n }),
        metadata: { note: "line\nbreak" },
      };
      const first = await ledger.recordUsage(input);
      assertEquals([first?.changed, first?.value.metadata], [true, { note: "line\nbreak" }]);
      const again = await ledger.recordUsage({ ...input, amounts: amounts({ gpu_time: 9n }) });
      assertEquals([again?.changed, again?.value], [false, first?.value]);
      const session = await ledger.getSession(org, id);
      assertEquals([session?.limits[0]?.charged, session?.limits[0]?.overrun], [100n, 30n]);
      assertEquals(await ledger.recordUsage({ ...input, sessionId: spec().id }), null);

      subject.setTime(NOON + 1000);
      const grant = granted(await ledger.reserve(ask(org, { kind: "none" }, { model: "gpt" })));
      const detail = { ...NO_DETAIL, inputTokens: 4, outputTokens: 2, estimated: true };
      await ledger.settle({ ...usage(grant, 6, 12), detail });
      const all = await ledger.listUsage(org);
      assertEquals(all.map((one) => [one.kind, one.at - NOON, one.model, one.sessionId]), [
        ["lease", 1000, "gpt", null],
        ["record", 0, null, id],
      ]);
      assertEquals([all[0]?.detail, all[0]?.priceVersion], [detail, "v1"]);
      assertEquals(all[1], first?.value);
      const ids = async (query: Parameters<SessionLedger["listUsage"]>[1]) =>
        (await ledger.listUsage(org, query)).map((one) => all.findIndex(({ id }) => id === one.id));
      assertEquals(await ids({ sessionId: id }), [1]);
      assertEquals(await ids({ from: NOON + 1 }), [0]);
      assertEquals(await ids({ to: NOON + 1000 }), [1]);
      assertEquals(await ids({ limit: 1, offset: 1 }), [1]);
      assertEquals(await ledger.listUsage("other"), []);
    },
  );

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

function usageOf(lease: Parameters<SessionLedger["release"]>[0]) {
  return { lease, actual: amounts({}), detail: NO_DETAIL, remember: [] };
}

/** Limits: metrics, windows, prices, thresholds, usage without a lease. @module */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { amounts, MAX_LIMIT, warningsOf } from "../../limits.ts";
import type { ReserveInput, SessionLedger } from "../ledger.ts";
import { NOON, opened, type RegisterTest, usageOf } from "./contract_frame.ts";
import { ask, FREE, granted, limit, NO_DETAIL, refused, spec, usage } from "./samples.ts";

/** Registers the tests. */
export function limitContract(test: RegisterTest): void {
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
      assertEquals(await reason(paid, { unmeterable: true, rates: FREE }), "granted");
      assertEquals(await reason(paid, { unmeterable: true, rates: FREE, fees: 1n }), "unmeterable");
      assertEquals(await reason(plain, { unmeterable: true, rates: FREE }), "unmeterable");
      assertEquals(await reason(calls, { unmeterable: true, rates: null }), "granted");
    },
  );

  for (const [windowMs, where] of [[null, ""], [60_000, ", with a window, too"]] as const) {
    test(
      `bounds the input by the longest prefix that the session remembers${where}`,
      async (ledger, org) => {
        const { id } =
          (await opened(ledger, org, spec([limit("tokens", 1_000_000, { windowMs })]))).session;
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
      },
    );
  }

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

  test("ignores a limit from the moment that it expires", async (ledger, org, subject) => {
    const brief = limit("tokens", 10, { expiresAt: NOON + 5000 });
    const whole = { org, kind: "org" as const, id: org };
    await ledger.addLimit(whole, brief);
    const { id } = (await opened(ledger, org)).session;
    const fresh = { kind: "auto" as const, open: spec([{ ...brief, id: "own" }]) };
    const mine = { user: "somebody", keyId: "theirs" };
    subject.setTime(NOON + 4999);
    for (const session of [id, { kind: "none" as const }, fresh]) {
      assertEquals(refused(await ledger.reserve(ask(org, session, mine))).reason, "exceeded");
    }
    subject.setTime(NOON + 5000);
    for (const session of [id, { kind: "none" as const }, fresh]) {
      const grant = granted(await ledger.reserve(ask(org, session, mine)));
      // What it counts still is what was used, though it decides no more.
      const { overrun } = await ledger.settle(usage(grant, 300, 900));
      assertEquals(overrun.tokens, 0n);
    }
    assertEquals((await ledger.scope(whole))?.used.tokens, 900n);
  });

  test(
    "holds nothing of a limit that a request asks nothing of, however overrun it is",
    async (ledger, org) => {
      const { id } = (await opened(ledger, org, spec([limit("tokens", 300), limit("cost", 900)])))
        .session;
      const grant = granted(await ledger.reserve(ask(org, id)));
      await ledger.settle(usage(grant, 1300, 5000));
      const job = { outputWanted: 0, outputMin: 0, inputBound: 0, apiCalls: 0n, gpuTime: 30_000n };
      const lease = granted(await ledger.reserve(ask(org, id, { ...job, rates: FREE })));
      assertEquals(lease.held, amounts({ gpu_time: 30_000n }));
      assertEquals(lease.limits.map(({ held }) => held), [0n, 0n]);
      await ledger.settle({ ...usageOf(lease.lease), actual: "held" });
      const { limits } = (await ledger.getSession(org, id))!;
      assertEquals(limits.map(({ charged, overrun }) => [charged, overrun]), [
        [300n, 1000n],
        [900n, 4100n],
      ]);
    },
  );

  test(
    "gives back what an expired lease was charged too much where the window counted it",
    async (ledger, org, subject) => {
      const windowed = spec([limit("tokens", 1000, { windowMs: 60_000 })]);
      const { id } = (await opened(ledger, org, windowed)).session;
      const charged = async () => (await ledger.getSession(org, id))?.limits[0]?.charged;
      const first = granted(await ledger.reserve(ask(org, id, { ttlMs: 1000 })));
      subject.setTime(NOON + 1000);
      assertEquals(await ledger.expireLeases(org), { expired: 1 });
      subject.setTime(NOON + 31_000);
      await ledger.settle(usage(granted(await ledger.reserve(ask(org, id))), 200, 0));
      assertEquals(await charged(), 500n);
      await ledger.settle(usage(first, 100, 0));
      assertEquals(await charged(), 300n);
      // The bucket of the expiry leaves with all that was ever in it, and nothing of the later one.
      subject.setTime(NOON + 1000 + 61_000);
      granted(await ledger.reserve(ask(org, id, { leaseId: "now", outputWanted: 16 })));
      assertEquals(await charged(), 200n);
      subject.setTime(NOON + 31_000 + 61_000);
      await ledger.release({ org, leaseId: "now", keyId: "k", sessionId: id });
      assertEquals(await charged(), 0n);
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
    const other = await assertRejects(
      () => ledger.raiseLimit(ref, { ...raise, by: 1n }),
      SynthError,
    );
    assertEquals([other.code, other.status], ["idempotency_conflict", 409]);
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
}

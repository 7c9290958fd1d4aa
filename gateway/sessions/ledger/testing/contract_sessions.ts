/** Sessions: opening, attaching, ending, listing. @module */
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { SynthError } from "@synth/core";
import { remaining } from "../../limits.ts";
import type { SessionLedger } from "../ledger.ts";
import { NOON, opened, type RegisterTest } from "./contract_frame.ts";
import { ask, granted, limit, refused, spec, usage } from "./samples.ts";

/** Registers the tests. */
export function sessionContract(test: RegisterTest): void {
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
}

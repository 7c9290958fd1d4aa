import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createLogger, FakeClock, silentLogger } from "@synth/core";
import { LeaseSweeper } from "./lease_sweeper.ts";
import { limit } from "./ledger/testing/samples.ts";
import { ON_LIMIT_KEY, onLimitOf } from "./on_limit.ts";
import { away, openBench, WHO, withVerbs } from "./testing/admission_bench.ts";

/** A sweeper over a ledger that says how many were expired. */
function sweeperOf(expired: () => number, clock: FakeClock, lines: string[] = []) {
  const asked: string[] = [];
  const ledger = {
    expireLeases(org: string) {
      asked.push(org);
      return Promise.resolve().then(() => ({ expired: expired() }));
    },
  };
  const log = createLogger({ write: (line) => void lines.push(line) });
  return { sweeper: new LeaseSweeper(ledger, clock, log), asked };
}

Deno.test("LeaseSweeper charges a lease that nobody settled, once", async () => {
  await using it = await openBench();
  const sweeper = new LeaseSweeper(it.ledger, it.clock, silentLogger);
  const id = await it.open([limit("tokens", 10_000)]);
  await it.admission.admit(it.request({ "x-synth-session-id": id }));
  const [held] = await it.books(id);
  await sweeper.sweep(WHO.org);
  assertEquals(await it.books(id), [held, 0n, 0n]);
  // The request's deadline and a minute.
  await it.clock.tick(659_999);
  await sweeper.sweep(WHO.org);
  assertEquals(await it.books(id), [held, 0n, 0n]);
  await it.clock.tick(30_000);
  await sweeper.sweep(WHO.org);
  assertEquals(await it.books(id), [0n, held, 0n]);
  await it.clock.tick(30_000);
  await sweeper.sweep(WHO.org);
  assertEquals(await it.books(id), [0n, held, 0n]);
});

Deno.test("LeaseSweeper looks at an org every 30 s at most, and at once again when there was too much", async () => {
  const clock = new FakeClock();
  let expired = 0;
  const { sweeper, asked } = sweeperOf(() => expired, clock);
  await sweeper.sweep("a");
  assertEquals(sweeper.sweep("a"), null);
  assert(sweeper.sweep("b") !== null);
  await clock.tick(29_999);
  assertEquals(sweeper.sweep("a"), null);
  await clock.tick(1);
  expired = 100;
  await sweeper.sweep("a");
  expired = 3;
  await sweeper.sweep("a");
  assertEquals(sweeper.sweep("a"), null);
  assertEquals(asked, ["a", "b", "a", "a"]);
});

Deno.test("LeaseSweeper remembers a bounded number of orgs", async () => {
  const clock = new FakeClock();
  const { sweeper, asked } = sweeperOf(() => 0, clock);
  for (let n = 0; n <= 10_000; n++) await sweeper.sweep(`org-${n}`);
  assert(sweeper.sweep("org-0") !== null);
  assertEquals(sweeper.sweep("org-10000"), null);
  assertEquals(asked.length, 10_002);
});

Deno.test("LeaseSweeper never rejects", async () => {
  const lines: string[] = [];
  const { sweeper } = sweeperOf(
    () => {
      throw away();
    },
    new FakeClock(),
    lines,
  );
  await sweeper.sweep("a");
  assertStringIncludes(lines.join(), "leases could not be swept");
});

Deno.test("onLimitOf() gives a session's wish, and auto when it cannot be read", async () => {
  await using it = await openBench();
  const open = async (metadata: Record<string, string>) => {
    const { org, user, keyId } = WHO;
    const id = await it.open([]);
    const session = (await it.ledger.getSession(org, id))!;
    const spec = {
      id: `${id.slice(0, -1)}${id.endsWith("z") ? "y" : "z"}`,
      ttlMs: null,
      idleMs: null,
      limits: [],
      type: session.type,
      tracingSessionId: null,
      metadata,
    };
    await it.ledger.openSession({ org, user, keyId, makeActive: false, spec });
    return spec.id;
  };
  for (const wish of ["auto", "error", "message"]) {
    assertEquals(await onLimitOf(it.ledger, WHO.org, await open({ [ON_LIMIT_KEY]: wish })), wish);
  }
  assertEquals(
    await onLimitOf(it.ledger, WHO.org, await open({ [ON_LIMIT_KEY]: "shout" })),
    "auto",
  );
  assertEquals(await onLimitOf(it.ledger, WHO.org, await open({})), "auto");
  assertEquals(await onLimitOf(it.ledger, WHO.org, null), "auto");
  assertEquals(await onLimitOf(it.ledger, WHO.org, `sess_${"q".repeat(26)}`), "auto");
  const broken = withVerbs(it.ledger, { getSession: () => Promise.reject(away()) });
  assertEquals(await onLimitOf(broken, WHO.org, `sess_${"q".repeat(26)}`), "auto");
});

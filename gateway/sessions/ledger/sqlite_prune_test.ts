import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { FakeClock, newTimedId } from "@synth/core";
import { openSqlite } from "@synth/core/storage/sqlite";
import { openSqliteLedger, SqliteLedger } from "./ledger_sqlite.ts";
import { LEDGER_MIGRATIONS } from "./sqlite_schema.ts";
import { ask, granted, spec, usage } from "./testing/samples.ts";

const WHO = { org: "acme", user: "user", keyId: "k", makeActive: false };

async function inFolder(test: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "synth-ledger-" });
  try {
    await test(`${folder}/ledger.db`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function leasesIn(path: string): unknown[] {
  const db = new DatabaseSync(path, { readOnly: true });
  const found = db.prepare("SELECT id FROM leases ORDER BY id").all();
  db.close();
  return found.map(({ id }) => id);
}

Deno.test("SqliteLedger drops leases past their retention, whatever their ids are like", async () => {
  await inFolder(async (path) => {
    const clock = new FakeClock();
    const ledger = await openSqliteLedger({ path, clock, retention: { leaseMs: 60_000 } });
    const { session } = await ledger.openSession({ ...WHO, spec: spec([]) });
    const end = async (leaseId: string): Promise<string> => {
      const grant = granted(await ledger.reserve(ask("acme", session.id, { leaseId })));
      await ledger.settle(usage(grant, 10, 1));
      return leaseId;
    };
    for (let n = 0; n < 600; n++) await end(newTimedId("lease_", clock.now()));
    for (let n = 0; n < 600; n++) await end(`gpulease_${n}`);
    const held = newTimedId("lease_", clock.now());
    granted(await ledger.reserve(ask("acme", session.id, { leaseId: held, ttlMs: 3_600_000 })));
    await clock.tick(1000);
    const young = [await end(newTimedId("lease_", clock.now())), await end("zz_of_another_kind")];
    await ledger.expireLeases("acme");
    assertEquals(leasesIn(path).length, 1203);
    await clock.tick(60_000);
    await ledger.expireLeases("acme");
    assertEquals(leasesIn(path), [held, ...young].sort());
    await ledger.close();
  });
});

Deno.test("SqliteLedger takes over a file whose indexes are the first ones", async () => {
  await inFolder(async (path) => {
    const clock = new FakeClock();
    const old = new SqliteLedger(
      await openSqlite({ path, migrations: LEDGER_MIGRATIONS.slice(0, 1), clock }),
      { clock },
    );
    const { session } = await old.openSession({ ...WHO, spec: spec([]) });
    const { session: other } = await old.openSession({ ...WHO, spec: spec([]) });
    const ended = usage(granted(await old.reserve(ask("acme", session.id))), 30, 2);
    await old.settle(ended);
    await old.settle(usage(granted(await old.reserve(ask("acme", other.id))), 7, 1));
    const open = usage(granted(await old.reserve(ask("acme", session.id))), 40, 3);
    await old.close();

    const ledger = await openSqliteLedger({ path, clock });
    assertEquals((await ledger.settle(ended)).already, true);
    assertEquals((await ledger.settle(open)).already, false);
    const listed = await ledger.listUsage("acme", { sessionId: session.id });
    assertEquals(listed.map(({ amounts }) => amounts.tokens).sort(), [30n, 40n]);
    assertEquals((await ledger.listUsage("acme")).length, 3);
    await ledger.close();
  });
});

Deno.test("SqliteLedger settles a lease once, whichever object names it", async () => {
  const ledger = await openSqliteLedger({ path: ":memory:", clock: new FakeClock() });
  const { session } = await ledger.openSession({ ...WHO, spec: spec([]) });
  const grant = granted(await ledger.reserve(ask("acme", session.id)));
  const ended = usage(grant, 30, 2);
  assertEquals((await ledger.settle({ ...ended, lease: { ...grant.lease } })).already, false);
  assertEquals((await ledger.settle(ended)).already, true);
  assertEquals((await ledger.getSession("acme", session.id))?.used.tokens, 30n);
  await ledger.close();
});

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { basename, join } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { FakeClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { migrate } from "./sqlite_migrate.ts";
import { openSqlite } from "./sqlite_open.ts";

const clock = new FakeClock(Date.UTC(2026, 1, 3, 4, 5, 6, 789));
const one = { version: 1, sql: "CREATE TABLE t (n INTEGER) STRICT; INSERT INTO t VALUES (1)" };
const two = { version: 2, sql: "ALTER TABLE t ADD COLUMN x TEXT; UPDATE t SET x = 'two'" };
const three = { version: 3, sql: "UPDATE t SET x = 'three'" };

async function inFolder(test: (path: string, files: () => string[]) => Promise<void>) {
  const dir = await Deno.makeTempDir();
  const files = () => [...Deno.readDirSync(dir)].map((entry) => entry.name).sort();
  try {
    await test(join(dir, "s.db"), files);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function look(path: string): Record<string, unknown>[] {
  const db = new DatabaseSync(path);
  const version = db.prepare("PRAGMA user_version").get();
  const rows = db.prepare("SELECT * FROM t").all();
  db.close();
  return [{ ...version }, ...rows.map((row) => ({ ...row }))];
}

Deno.test("migrate keeps a private copy named by version and time before it changes a file", () =>
  inFolder(async (path, files) => {
    await (await openSqlite({ path, migrations: [one], clock })).close();
    assertEquals(files(), ["s.db"]);
    await (await openSqlite({ path, migrations: [one, two, three], clock })).close();
    assertEquals(look(path), [{ user_version: 3 }, { n: 1, x: "three" }]);
    const copy = "s.db.v1.20260203T040506Z.backup";
    assertEquals(files(), ["s.db", copy]);
    const copyPath = path.replace(basename(path), copy);
    assertEquals((await Deno.stat(copyPath)).mode! & 0o777, 0o600);
    assertEquals(look(copyPath), [{ user_version: 1 }, { n: 1 }]);
    await (await openSqlite({ path, migrations: [one, two, three], clock })).close();
    assertEquals(files(), ["s.db", copy]);
  }));

Deno.test("migrate changes nothing when a later step fails", () =>
  inFolder(async (path) => {
    await (await openSqlite({ path, migrations: [one], clock })).close();
    const bad = { version: 3, sql: "UPDATE t SET nothing = 1" };
    await assertRejects(() => openSqlite({ path, migrations: [one, two, bad], clock }), Error);
    assertEquals(look(path), [{ user_version: 1 }, { n: 1 }]);
    const dangling = {
      version: 2,
      sql:
        "CREATE TABLE u (n INTEGER REFERENCES v (n)) STRICT; CREATE TABLE v (n INTEGER PRIMARY KEY); INSERT INTO u VALUES (1)",
    };
    await assertRejects(() => openSqlite({ path, migrations: [one, dangling], clock }), Error);
    assertEquals(look(path), [{ user_version: 1 }, { n: 1 }]);
  }));

Deno.test("migrate refuses a file of a newer program and leaves it as it is", () =>
  inFolder(async (path, files) => {
    await (await openSqlite({ path, migrations: [one, two], clock })).close();
    const error = await assertRejects<SynthError>(
      () => openSqlite({ path, migrations: [one], clock }),
      SynthError,
    );
    assertEquals([error.code, error.status], ["store_newer", 503]);
    assertMatch(error.message, /schema 2, known 1/);
    assertEquals(files(), ["s.db"]);
    assertEquals(look(path), [{ user_version: 2 }, { n: 1, x: "two" }]);
  }));

Deno.test("migrate refuses steps with gaps", async () => {
  await assertRejects(() => openSqlite({ path: ":memory:", migrations: [two] }), TypeError);
});

Deno.test("migrate runs each step once when several connections open an old file", () =>
  inFolder(async (path, files) => {
    await (await openSqlite({ path, migrations: [one], clock })).close();
    const insert = { version: 2, sql: "INSERT INTO t VALUES (2)" };
    const stores = await Promise.all(
      [1, 2, 3, 4].map(() => openSqlite({ path, migrations: [one, insert] })),
    );
    for (const store of stores) await store.close();
    assertEquals(look(path), [{ user_version: 2 }, { n: 1 }, { n: 2 }]);
    assert(files().filter((name) => name.endsWith(".backup")).length === 1);
  }));

Deno.test("migrate looks again once it holds the lock", () =>
  inFolder(async (path, files) => {
    const insert = { version: 2, sql: "INSERT INTO t VALUES (2)" };
    await (await openSqlite({ path, migrations: [one], clock })).close();
    let first = true;
    class Overtaken extends DatabaseSync {
      override prepare(sql: string): StatementSync {
        if (sql === "BEGIN IMMEDIATE" && first) {
          first = false;
          const faster = new DatabaseSync(path);
          faster.exec(`${insert.sql}; PRAGMA user_version = 2`);
          faster.close();
        }
        return super.prepare(sql);
      }
    }
    const db = new Overtaken(path);
    const result = await migrate(db, path, [one, insert], clock.now());
    assertEquals(result, { from: 2, to: 2, backup: null });
    db.close();
    assertEquals(look(path), [{ user_version: 2 }, { n: 1 }, { n: 2 }]);
    assertEquals(files().length, 1);
  }));

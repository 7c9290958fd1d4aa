import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers";
import { FakeClock } from "../clock.ts";
import { SynthError } from "../errors.ts";
import { openSqlite, type SqliteOptions, type SqliteStore } from "./sqlite_open.ts";

const migrations = [{ version: 1, sql: "CREATE TABLE t (n INTEGER PRIMARY KEY, x TEXT) STRICT" }];

async function inFolder(test: (path: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  try {
    await test(join(dir, "store.db"));
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

function open(path: string, options: Partial<SqliteOptions> = {}): Promise<SqliteStore> {
  return openSqlite({ path, migrations, ...options });
}

function add(store: SqliteStore, n: number, x = ""): Promise<unknown> {
  return store.write((db) => db.prepare("INSERT INTO t VALUES (?, ?)").run(n, x));
}

function numbers(store: SqliteStore): unknown[] {
  return store.read((db) => db.prepare("SELECT n FROM t ORDER BY n").all().map((row) => row["n"]));
}

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

async function reasonOf(run: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects<SynthError>(run, SynthError);
  assertEquals([error.code, error.status], ["store_unavailable", 503]);
  return String(error.details["reason"]);
}

Deno.test("openSqlite makes files and folders that only their owner can read", () =>
  inFolder(async (path) => {
    const deep = join(path, "a", "b", "store.db");
    const store = await open(deep);
    await add(store, 1);
    for (const suffix of ["", "-wal", "-shm"]) {
      assertEquals((await Deno.stat(deep + suffix)).mode! & 0o777, 0o600, suffix);
    }
    assertEquals((await Deno.stat(join(path, "a"))).mode! & 0o777, 0o700);
    await store.close();
    await Deno.chmod(deep, 0o644);
    await (await open(deep)).close();
    assertEquals((await Deno.stat(deep)).mode! & 0o777, 0o600);
  }));

Deno.test("openSqlite sets WAL, foreign keys, synchronous, and no busy timeout", () =>
  inFolder(async (path) => {
    const pragmas = (store: SqliteStore) =>
      ["journal_mode", "foreign_keys", "synchronous", "busy_timeout"].map((name) =>
        store.read((db) => Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0])
      );
    const normal = await open(path);
    assertEquals(pragmas(normal), ["wal", 1, 1, 0]);
    await normal.close();
    const full = await open(path, { synchronous: "FULL" });
    assertEquals(pragmas(full), ["wal", 1, 2, 0]);
    await full.close();
  }));

Deno.test("write commits what arrives together at once, and a failure undoes itself alone", () =>
  inFolder(async (path) => {
    const store = await open(path);
    const other = await open(path);
    const all = [
      add(store, 1),
      store.write((db) => {
        db.prepare("INSERT INTO t VALUES (10, '')").run();
        throw new Error("mine");
      }),
      store.write((db) => {
        db.prepare("INSERT INTO t VALUES (11, '')").run();
        db.prepare("INSERT INTO t VALUES (1, '')").run();
      }),
      store.write(() => 7),
      add(store, 3),
    ];
    assertEquals(numbers(other), []);
    await all[0];
    assertEquals(numbers(other), [1, 3]);
    const settled = await Promise.allSettled(all);
    assertEquals(settled.map((one) => one.status === "fulfilled"), [
      true,
      false,
      false,
      true,
      true,
    ]);
    assertEquals(settled[3]?.status === "fulfilled" && settled[3].value, 7);
    const [, mine, constraint] = settled;
    assert(mine?.status === "rejected" && mine.reason.message === "mine");
    assert(constraint?.status === "rejected" && /UNIQUE/.test(constraint.reason.message));
    await store.close();
    await other.close();
  }));

Deno.test("write calls what gathers once before the commit, and after each write when one throws", () =>
  inFolder(async (path) => {
    const store = await open(path);
    let epochs = new Set<object>();
    let gathered: number[] = [];
    let calls = 0;
    const flush = (db: DatabaseSync): void => {
      calls++;
      for (const n of gathered) db.prepare("INSERT INTO t VALUES (?, '')").run(n);
      gathered = [];
    };
    // As a cache does: what was gathered in an epoch that is over belongs to a transaction that never was.
    const gather = (n: number): Promise<void> =>
      store.write((_, epoch) => {
        if (!epochs.has(epoch)) {
          epochs = new Set([epoch]);
          gathered = [];
        }
        gathered.push(n);
        if (n < 0) throw new Error("mine");
      }, flush);
    await Promise.all([gather(1), gather(2), gather(3)]);
    assertEquals([numbers(store), calls], [[1, 2, 3], 1]);
    const mixed = await Promise.allSettled([gather(4), gather(-1), gather(5), gather(2)]);
    const fulfilled = mixed.map(({ status }) => status === "fulfilled");
    // The last breaks a constraint when it is flushed: it fails, and nothing else does.
    assertEquals(fulfilled, [true, false, true, false]);
    assertEquals(numbers(store), [1, 2, 3, 4, 5]);
    await store.close();
  }));

Deno.test("write refuses a function that returns a promise", async () => {
  const store = await open(":memory:");
  const wrong = store.write(async (db) => {
    db.prepare("INSERT INTO t VALUES (1, '')").run();
    await turn();
  });
  await Promise.all([assertRejects(() => wrong, TypeError), add(store, 2)]);
  assertEquals(numbers(store), [2]);
  await store.close();
});

Deno.test("write waits for the lock without blocking, then gives up at the deadline", () =>
  inFolder(async (path) => {
    const clock = new FakeClock();
    const store = await open(path, { clock, random: () => 1 });
    const holder = new DatabaseSync(path);
    holder.exec("BEGIN IMMEDIATE");
    const early = add(store, 1);
    const refused = reasonOf(() => early);
    await turn();
    await clock.tick(4000);
    const late = add(store, 2);
    await clock.tick(1100);
    assertEquals(await refused, "busy");
    holder.exec("ROLLBACK");
    await clock.tick(50);
    await late;
    assertEquals(numbers(store), [2]);
    assertEquals(clock.pending, 0);
    holder.close();
    await store.close();
  }));

Deno.test("openSqlite waits for the lock, then gives up at the deadline", () =>
  inFolder(async (path) => {
    await (await open(path)).close();
    const holder = new DatabaseSync(path);
    holder.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; CREATE TABLE mine (n)");
    const clock = new FakeClock();
    const opened = reasonOf(() => open(path, { clock, busyDeadlineMs: 100, random: () => 0.9 }));
    for (let n = 0; n < 4; n++) await clock.tick(50);
    assertEquals(await opened, "busy");
    holder.close();
  }));

Deno.test("write says that the disk is full, undoes it, and goes on", async () => {
  const store = await open(":memory:");
  await store.write((db) => db.exec("PRAGMA max_page_count = 40"));
  const settled = await Promise.allSettled([
    add(store, 1),
    add(store, 2, "x".repeat(1_000_000)),
    add(store, 3),
  ]);
  assertEquals(settled.map((one) => one.status === "fulfilled"), [true, false, true]);
  assertEquals(await reasonOf(() => add(store, 4, "x".repeat(1_000_000))), "full");
  await add(store, 5);
  assertEquals(numbers(store), [1, 3, 5]);
  await store.close();
});

Deno.test("write survives an error of the disk in a real file", () =>
  inFolder(async (path) => {
    // The limit is of 512-byte blocks; a write beyond it fails instead of killing, because the signal is ignored.
    const script = `trap '' XFSZ; ulimit -f 4000; exec "$0" "$@"`;
    const { stdout, stderr, success } = await new Deno.Command("sh", {
      args: ["-c", script, Deno.execPath(), ...childArgs("file_limit", path)],
    }).output();
    assert(success, new TextDecoder().decode(stderr));
    assertMatch(new TextDecoder().decode(stdout), /^store_unavailable (io|full)\n$/);
    assertEquals(pairsIn(path), [[1, 1], [1, 2], [3, 1], [3, 2]]);
  }));

Deno.test("a killed writer leaves no half of a write", () =>
  inFolder(async (path) => {
    const child = spawnChild("crash", path);
    const reader = child.stdout.getReader();
    await reader.read();
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    await child.stderr.cancel();
    const store = await openSqlite({ path, migrations: [{ version: 1, sql: "never run" }] });
    const pairs = pairsIn(path);
    assert(pairs.length >= 42);
    for (let n = 0; n < pairs.length; n++) assertEquals(pairs[n], [n >> 1, (n & 1) + 1]);
    await store.close();
  }));

Deno.test("four processes open a fresh file at once and lose nothing", () =>
  inFolder(async (path) => {
    const children = [1, 2, 3, 4].map(() => spawnChild("race", path));
    const outputs = await Promise.all(children.map((child) => child.output()));
    for (const { success, stderr } of outputs) {
      assert(success, new TextDecoder().decode(stderr));
    }
    assertEquals(pairsIn(path).length, 4 * 50 * 2);
  }));

Deno.test("openSqlite refuses what is not a database, damaged, or in the way", () =>
  inFolder(async (path) => {
    await Deno.writeTextFile(path, "this is no database ".repeat(100));
    assertEquals(await reasonOf(() => open(path)), "not_a_database");
    assertEquals(await reasonOf(() => open(join(path, "below.db"))), "cannot_open");
    await Deno.remove(path);
    const store = await open(path);
    for (let n = 0; n < 50; n++) await add(store, n, "x".repeat(2000));
    await store.close();
    using file = await Deno.open(path, { write: true });
    await file.seek(4096, Deno.SeekMode.Start);
    await file.write(new Uint8Array(60_000).fill(0xa5));
    const again = await open(path);
    const error = assertThrows(() => numbers(again), SynthError);
    assertEquals([error.code, error.details["reason"]], ["store_unavailable", "corrupt"]);
    await again.close();
  }));

Deno.test("write says that the store is read-only, without the folder's name", () =>
  inFolder(async (path) => {
    const store = await open(path);
    store.read((db) => db.exec("PRAGMA query_only = ON"));
    const error = await assertRejects<SynthError>(() => add(store, 1), SynthError);
    assertEquals(error.details["reason"], "read_only");
    assertEquals(error.message, 'The store "store.db" is read-only');
    await store.close();
  }));

Deno.test("read sees one snapshot, and the write around it", () =>
  inFolder(async (path) => {
    const store = await open(path);
    const holder = new DatabaseSync(path);
    const counts = store.read((db) => {
      const count = db.prepare("SELECT count(*) AS n FROM t");
      const before = count.get()?.["n"];
      holder.exec("INSERT INTO t VALUES (1, '')");
      return [before, count.get()?.["n"]];
    });
    assertEquals(counts, [0, 0]);
    const inside = await store.write((db) => {
      db.exec("INSERT INTO t VALUES (2, '')");
      return numbers(store);
    });
    assertEquals(inside, [1, 2]);
    assertThrows(() =>
      store.read(() => {
        throw new RangeError("mine");
      }), RangeError);
    assertEquals(numbers(store), [1, 2]);
    holder.close();
    await store.close();
  }));

Deno.test("close waits for accepted writes and refuses later ones", () =>
  inFolder(async (path) => {
    const store = await open(path);
    const accepted = add(store, 1);
    const closing = store.close();
    assertEquals(await reasonOf(() => add(store, 2)), "closed");
    await Promise.all([accepted, closing, store.close()]);
    assertThrows(() => numbers(store), SynthError);
    const again = await open(path);
    assertEquals(numbers(again), [1]);
    await again.close();
  }));

function childArgs(task: string, path: string): string[] {
  const script = new URL("./testing/sqlite_child.ts", import.meta.url).pathname;
  return ["run", "--quiet", "--no-check", "--allow-read", "--allow-write", script, task, path];
}

function spawnChild(task: string, path: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: childArgs(task, path),
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

function pairsIn(path: string): unknown[][] {
  const db = new DatabaseSync(path);
  const rows = db.prepare("SELECT n, half FROM pairs ORDER BY rowid").all();
  db.close();
  return rows.map((row) => [row["n"], row["half"]]);
}

Deno.test("write tells by the epoch whether what was read before still holds", () =>
  inFolder(async (path) => {
    const store = await open(path);
    const other = await open(path);
    const epochOf = (): Promise<object> => store.write((_, epoch) => epoch);
    const first = await epochOf();
    await add(store, 1);
    numbers(store);
    assert(await epochOf() === first, "own writes and reads change nothing");
    await add(other, 2);
    const second = await epochOf();
    assert(second !== first, "another connection has written");
    await assertRejects(() => add(store, 1));
    const third = await epochOf();
    assert(third !== second, "a write alone was undone");
    const outcomes = await Promise.allSettled([add(store, 3), add(store, 3), epochOf(), epochOf()]);
    assertEquals(outcomes.map(({ status }) => status), [
      "fulfilled",
      "rejected",
      "fulfilled",
      "fulfilled",
    ]);
    const [, , fourth, fifth] = outcomes.map((one) => one.status === "fulfilled" && one.value);
    assert(fourth !== third, "a write among others was undone");
    assert(fifth === fourth);
    await store.close();
    await other.close();
  }));

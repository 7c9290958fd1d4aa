import { assertEquals } from "@std/assert";
import { openSqlite } from "./sqlite_open.ts";
Deno.test("openSqlite writes that arrive together share one transaction", async () => {
  const store = await openSqlite({
    path: ":memory:",
    migrations: [{ version: 1, sql: "CREATE TABLE t (n INTEGER PRIMARY KEY) STRICT" }],
  });
  const add = (n: number) => store.write((db) => db.prepare("INSERT INTO t VALUES (?)").run(n));
  const got = await Promise.allSettled([add(1), add(2), add(2), add(3)]);
  assertEquals(got.map((x) => x.status), ["fulfilled", "fulfilled", "rejected", "fulfilled"]);
  assertEquals(
    store.read((db) => db.prepare("SELECT n FROM t ORDER BY n").all().map((x) => x["n"])),
    [1, 2, 3],
  );
  await store.close();
});

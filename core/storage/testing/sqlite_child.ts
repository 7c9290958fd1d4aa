/** A process that works on a SQLite file, for the tests that need several. Arguments: what to do, the file. */
import { openSqlite } from "../sqlite_open.ts";
import { SynthError } from "../../errors.ts";
import type { SqliteStore } from "../sqlite.ts";

const [task, path = ""] = Deno.args;
const store = await openSqlite({
  path,
  migrations: [{ version: 1, sql: "CREATE TABLE pairs (n INTEGER, half INTEGER) STRICT" }],
});
if (task === "race") await race(store);
else if (task === "crash") await crash(store);
else if (task === "file_limit") await fileLimit(store);
await store.close();

function writePair(file: SqliteStore, n: number, filler = ""): Promise<void> {
  return file.write((db) => {
    db.prepare("INSERT INTO pairs VALUES (?, 1)").run(n);
    if (filler) db.prepare("CREATE TABLE IF NOT EXISTS filler (text TEXT) STRICT").run();
    if (filler) db.prepare("INSERT INTO filler VALUES (?)").run(filler);
    db.prepare("INSERT INTO pairs VALUES (?, 2)").run(n);
  });
}

async function race(file: SqliteStore): Promise<void> {
  for (let n = 0; n < 50; n++) await writePair(file, n);
}

/** Writes until it is killed. */
async function crash(file: SqliteStore): Promise<void> {
  for (let n = 0;; n++) {
    await writePair(file, n);
    if (n === 20) await Deno.stdout.write(new TextEncoder().encode("writing\n"));
  }
}

/** Runs under a limit of the file size, which a large write meets; a small one fits before and after. */
async function fileLimit(file: SqliteStore): Promise<void> {
  await writePair(file, 1);
  let said = "";
  try {
    await writePair(file, 2, "x".repeat(4_000_000));
  } catch (error) {
    if (error instanceof SynthError) said = `${error.code} ${error.details["reason"]}`;
  }
  await writePair(file, 3);
  await Deno.stdout.write(new TextEncoder().encode(`${said}\n`));
}

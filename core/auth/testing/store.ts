/** A real document store in a SQLite file, for the tests of keys. @module */
import { FakeClock } from "../../clock.ts";
import type { DocumentStore } from "../../storage/document_store.ts";
import { documentMigrations, SqliteDocumentStore } from "../../storage/document_store_sqlite.ts";
import { openSqlite } from "../../storage/sqlite_open.ts";

/** What a test is given. */
export interface Subject {
  readonly clock: FakeClock;
  readonly documents: DocumentStore;
}

/** Runs a test with a store that is empty, and takes it away. */
export async function withStore(fn: (subject: Subject) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const file = await openSqlite({
    path: `${directory}/documents.db`,
    migrations: documentMigrations,
  });
  const clock = new FakeClock();
  try {
    await fn({ clock, documents: new SqliteDocumentStore(file, { clock }) });
  } finally {
    await file.close();
    await Deno.remove(directory, { recursive: true });
  }
}

import { join } from "node:path";
import { FakeClock } from "../clock.ts";
import { documentMigrations, SqliteDocumentStore } from "./document_store_sqlite.ts";
import { openSqlite } from "./sqlite_open.ts";
import {
  documentStoreContract,
  type DocumentStoreSubject,
} from "./testing/document_store_contract.ts";

documentStoreContract("SqliteDocumentStore", openSubject, 60);

/** Three connections to one file, as three processes have. */
async function openSubject(): Promise<DocumentStoreSubject> {
  const dir = await Deno.makeTempDir();
  const clock = new FakeClock();
  const open = () =>
    openSqlite({ path: join(dir, "documents.db"), migrations: documentMigrations });
  const files = [await open(), await open(), await open()] as const;
  const [first, ...rest] = files.map((file) => new SqliteDocumentStore(file, { clock }));
  if (first === undefined) throw new Error("no store");
  return {
    stores: [first, ...rest],
    org: "org1",
    pass: (ms) => clock.tick(ms),
    async [Symbol.asyncDispose]() {
      for (const file of files) await file.close();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** The stores of a gateway on one machine: two SQLite files, the ledger's with `synchronous=FULL`. @module */
import { documentMigrations, SqliteDocumentStore } from "@synth/core/storage";
import { openSqlite } from "@synth/core/storage/sqlite";
import { openSqliteLedger } from "../sessions/ledger/ledger_sqlite.ts";
import type { Stores } from "./stores.ts";

/** Opens both files, making or migrating them. @throws {SynthError} `store_unavailable`, `store_newer` */
export async function openSqliteStores(
  paths: { readonly state: string; readonly ledger: string },
): Promise<Stores> {
  const state = await openSqlite({ path: paths.state, migrations: documentMigrations });
  try {
    const ledger = await openSqliteLedger({ path: paths.ledger });
    return {
      documents: new SqliteDocumentStore(state),
      ledger,
      ping() {
        state.read((db) => db.prepare("SELECT 1").get());
        return Promise.resolve();
      },
      async close() {
        await ledger.close();
        await state.close();
      },
    };
  } catch (error) {
    await state.close();
    throw error;
  }
}

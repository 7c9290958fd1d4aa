/** Prepared statements, kept for each open file: preparing costs as much as a small query. @module */
import type { DatabaseSync, StatementSync } from "node:sqlite";

const statements: WeakMap<DatabaseSync, Map<string, StatementSync>> = new WeakMap();

/** The prepared statement for `sql`, made once for each connection. Only for constant SQL: entries are never dropped. */
export function statement(db: DatabaseSync, sql: string): StatementSync {
  let known = statements.get(db);
  if (known === undefined) statements.set(db, known = new Map());
  let found = known.get(sql);
  if (found === undefined) known.set(sql, found = db.prepare(sql));
  return found;
}

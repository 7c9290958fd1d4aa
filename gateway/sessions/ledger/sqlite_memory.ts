/** The prefixes that a session remembers, in SQLite. @module */
import type { DatabaseSync } from "node:sqlite";
import { REMEMBERED_PREFIXES, type SettleInput } from "./ledger.ts";
import { row, rows, run, type ScopeRow } from "./sqlite_book.ts";

/** Reads them, oldest first. */
export function readMemory(db: DatabaseSync, scope: ScopeRow): Map<string, number> {
  const known = rows(db, "SELECT hash, tokens FROM prefixes WHERE scope = ? ORDER BY no", scope.no);
  return new Map(known.map(({ hash, tokens }) => [hash as string, Number(tokens)]));
}

/** The memory of a scope that is gathered: read once. */
export function rememberedBy(db: DatabaseSync, scope: ScopeRow): Map<string, number> {
  return scope.memory ??= readMemory(db, scope);
}

/** Adds to a session's memory, forgetting the oldest. */
export function remember(
  db: DatabaseSync,
  scope: ScopeRow,
  prefixes: SettleInput["remember"],
): void {
  if (prefixes.length === 0) return;
  const memory = scope.gathered === null ? null : rememberedBy(db, scope);
  for (const { hash, tokens } of prefixes) {
    if (memory?.get(hash) === tokens) continue;
    memory?.set(hash, tokens);
    run(
      db,
      "INSERT INTO prefixes (scope, hash, tokens) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET tokens = excluded.tokens",
      scope.no,
      hash,
      tokens,
    );
  }
  if (memory === null) forgetOldest(db, scope);
  else forgetOldestOf(db, scope, memory);
}

function forgetOldest(db: DatabaseSync, scope: ScopeRow): void {
  while (true) {
    const sql = "SELECT count(*) AS count, min(no) AS oldest FROM prefixes WHERE scope = ?";
    const memory = row(db, sql, scope.no);
    if (Number(memory?.["count"]) <= REMEMBERED_PREFIXES) return;
    run(db, "DELETE FROM prefixes WHERE no = ?", memory?.["oldest"] ?? null);
  }
}

function forgetOldestOf(db: DatabaseSync, scope: ScopeRow, memory: Map<string, number>): void {
  for (const oldest of memory.keys()) {
    if (memory.size <= REMEMBERED_PREFIXES) return;
    memory.delete(oldest);
    run(db, "DELETE FROM prefixes WHERE scope = ? AND hash = ?", scope.no, oldest);
  }
}

/** Brings a file to the newest schema: a backup copy first, then every step in one transaction. @module */
import { chmodSync, closeSync, openSync, renameSync, rmSync } from "node:fs";
import { backup as backUp, DatabaseSync } from "node:sqlite";
import { SynthError } from "../errors.ts";
import type { Migration } from "./sqlite.ts";

/** Says what {@linkcode migrate} did. */
export interface MigrationResult {
  from: number;
  to: number;
  /** Where the copy of the file before the migration is; `null` for a new file. */
  backup: string | null;
}

/**
 * Migrates inside one `BEGIN IMMEDIATE`, so processes that start together take turns and all but one find nothing to do.
 *
 * @param db an open connection with a busy timeout
 * @param path the file, or `:memory:`
 * @param now milliseconds since the epoch, for the name of the backup copy
 * @throws {SynthError} `store_newer` when a newer program has written the file
 */
export async function migrate(
  db: DatabaseSync,
  path: string,
  migrations: readonly Migration[],
  now: number,
): Promise<MigrationResult> {
  checkSteps(migrations);
  const to = migrations.length;
  const seen = versionOf(db);
  if (seen > to) throw newer(seen, to);
  if (seen === to) return { from: seen, to, backup: null };
  db.exec("PRAGMA foreign_keys = OFF");
  db.prepare("BEGIN IMMEDIATE").run();
  try {
    const from = versionOf(db);
    if (from > to) throw newer(from, to);
    // The write lock is held: nothing can change between the copy and the first step.
    const backup = from > 0 && from < to && path !== ":memory:"
      ? await copy(path, from, now)
      : null;
    for (const step of migrations) if (step.version > from) db.exec(step.sql);
    const broken = db.prepare("PRAGMA foreign_key_check").all();
    if (broken.length > 0) throw new Error(`Migration to ${to} breaks ${broken.length} references`);
    db.exec(`PRAGMA user_version = ${to}`);
    db.prepare("COMMIT").run();
    return { from, to, backup };
  } catch (error) {
    if (db.isTransaction) db.prepare("ROLLBACK").run();
    throw error;
  } finally {
    db.exec("PRAGMA foreign_keys = ON");
  }
}

function checkSteps(migrations: readonly Migration[]): void {
  for (const [index, step] of migrations.entries()) {
    if (step.version !== index + 1) {
      throw new TypeError(`Migration ${index + 1} has version ${step.version}: steps have no gaps`);
    }
  }
}

function versionOf(db: DatabaseSync): number {
  return Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
}

function newer(found: number, known: number): SynthError {
  return new SynthError(
    `The store was written by a newer synth (schema ${found}, known ${known})`,
    {
      code: "store_newer",
      status: 503,
      hint: "Update synth, or restore the backup copy that the newer one made beside the file",
      details: { found, known },
    },
  );
}

/**
 * Copies the file through a second reader, under a name that appears only when the copy is whole.
 * Not by `VACUUM INTO`: that attaches a file, which Deno allows with `--allow-all` only.
 */
async function copy(path: string, version: number, now: number): Promise<string> {
  const stamp = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  const target = `${path}.v${version}.${stamp}.backup`;
  const partial = `${target}.partial`;
  rmSync(partial, { force: true });
  closeSync(openSync(partial, "wx", 0o600));
  const reader = new DatabaseSync(path, { readOnly: true });
  try {
    await backUp(reader, partial);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  } finally {
    reader.close();
  }
  chmodSync(partial, 0o600);
  renameSync(partial, target);
  return target;
}

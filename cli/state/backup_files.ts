/** What a backup of the state is made of. @module */
import { SynthError } from "@synth/core";

/** Databases; SQLite copies them, for a plain copy of a file in use is no copy. */
export const DATABASES = ["state.db", "ledger.db"] as const;

/** Small files that are copied as they are. */
export const SMALL_FILES = [
  "api_key",
  "seal_keys",
  "credentials.json",
  "trust.json",
  "synth.toml",
] as const;

/** Name of the list in a backup. */
export const MANIFEST = "backup.json";

/** One file of a backup. */
export interface BackupFile {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** The list. */
export interface BackupManifest {
  readonly v: 1;
  /** ISO 8601. */
  readonly created_at: string;
  readonly files: readonly BackupFile[];
}

/** Reads the list of a backup. @throws {SynthError} `not_a_backup`, exit code 2 */
export function parseManifest(text: string | null): BackupManifest {
  const known: ReadonlySet<unknown> = new Set([...DATABASES, ...SMALL_FILES]);
  try {
    const content = JSON.parse(text ?? "") as BackupManifest;
    const valid = content.v === 1 && typeof content.created_at === "string" &&
      content.files.length > 0 &&
      content.files.every(({ name, sha256 }) => known.has(name) && /^[0-9a-f]{64}$/.test(sha256));
    if (valid) return content;
  } catch {
    // Reported below.
  }
  throw new SynthError("This directory holds no backup that this version understands", {
    code: "not_a_backup",
    exitCode: 2,
    hint: `synth state backup writes ${MANIFEST} into it`,
  });
}

/** SHA-256 of a file, in pieces: a ledger can be larger than memory. */
export async function digestOf(path: string): Promise<BackupFile> {
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await Deno.open(path);
  for await (const piece of file.readable) {
    hash.update(piece);
    bytes += piece.length;
  }
  const name = path.replace(/^.*[\\/]/, "");
  return { name, bytes, sha256: hash.digest("hex") };
}

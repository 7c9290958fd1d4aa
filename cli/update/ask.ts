/**
 * A program of its own, started by `synth` once a day: asks Deno for the newest version and keeps the answer in the file
 * that it is given.
 *
 * @module
 */
import { isVersion, readUpdateFile, writeUpdateFile } from "./update_file.ts";

const PACKAGE = "@synth/cli";
const TIMEOUT_MS = 30_000;

/** The newest version as Deno resolves it, wherever its registry is; `null` when it does not know. */
async function newestVersion(): Promise<string | null> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "info",
      "--json",
      "--no-config",
      "--no-lock",
      "--no-npm",
      "--reload",
      // The smallest part of the package: its modules are loaded to be described.
      `jsr:${PACKAGE}/version`,
    ],
    stdin: "null",
    stderr: "null",
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).output();
  const { packages } = JSON.parse(new TextDecoder().decode(stdout)) as {
    packages?: Record<string, unknown>;
  };
  for (const resolved of Object.values(packages ?? {})) {
    if (typeof resolved !== "string" || !resolved.startsWith(`${PACKAGE}@`)) continue;
    const version = resolved.slice(PACKAGE.length + 1);
    if (isVersion(version)) return version;
  }
  return null;
}

if (import.meta.main) {
  const [file] = Deno.args;
  if (file === undefined) Deno.exit(2);
  const latest = await newestVersion();
  if (latest !== null) await writeUpdateFile(file, { ...await readUpdateFile(file), latest });
}

/** The directory of the state: it holds secrets, so it is the user's alone. @module */
import { EXIT, SynthError } from "@synth/core";
import type { CliContext } from "../context.ts";
import { say } from "../output/print.ts";

/** Names by which a directory is known to be ours. */
const OURS: ReadonlySet<string> = new Set([
  "api_key",
  "credentials.json",
  "gateway.json",
  "ledger.db",
  "services.json",
  "state.db",
  "synth.toml",
  "trust.json",
]);

/**
 * Makes the directory (0700) or checks it. One of ours that others can enter is closed, which is said; any other is
 * refused, for closing a directory that serves another purpose would break that.
 *
 * @throws {SynthError} `home_unusable` or `home_not_private`, exit code 2
 */
export async function ensureHome(context: CliContext, path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw unusable(path, error);
  }
  if (context.os === "windows") return;
  const info = await Deno.stat(path);
  if (!info.isDirectory) throw unusable(path, new Error("not a directory"));
  const user = Deno.uid();
  if (user !== null && user !== 0 && info.uid !== user) {
    throw notPrivate(
      path,
      "It belongs to another user",
      "Choose another with --home or SYNTH_HOME",
    );
  }
  const mode = (info.mode ?? 0o700) & 0o7777;
  if ((mode & 0o077) === 0) return;
  if (!await isOurs(path)) {
    throw notPrivate(
      path,
      `Others can enter it (mode ${mode.toString(8)}) and it holds files that are not ours`,
      `Run "chmod 700 ${path}" if it is meant for synth alone, or choose another with --home`,
    );
  }
  await Deno.chmod(path, 0o700);
  say(
    context,
    `note: others could enter ${path} (mode ${mode.toString(8)}); it is closed now (700)`,
  );
}

async function isOurs(path: string): Promise<boolean> {
  let empty = true;
  for await (const entry of Deno.readDir(path)) {
    if (OURS.has(entry.name)) return true;
    empty = false;
  }
  return empty;
}

function unusable(path: string, cause: unknown): SynthError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new SynthError(`The directory ${path} cannot be used: ${why}`, {
    code: "home_unusable",
    hint: "Choose another with --home or SYNTH_HOME",
    exitCode: EXIT.usage,
    cause,
  });
}

function notPrivate(path: string, why: string, hint: string): SynthError {
  return new SynthError(`The directory ${path} is not private. ${why}`, {
    code: "home_not_private",
    hint,
    exitCode: EXIT.usage,
  });
}

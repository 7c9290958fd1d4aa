/** Installs `cloudflared` for synth alone, and only what somebody has vouched for. @module */
import { type Clock, EXIT, newId, SynthError, systemClock } from "@synth/core";
import { makePrivateDirectory, readEnv } from "@synth/core/platform";
import { type CommandRunner, systemRunner } from "../cloudflared/command_runner.ts";
import { checkCloudflared, installedCloudflared } from "../cloudflared/find_cloudflared.ts";
import { findChecksum, parseSha256, sha256 } from "./checksum.ts";
import { fetchBytes, isUrl } from "./fetch_bytes.ts";
import {
  checksumOfRelease,
  parseRelease,
  releaseFile,
  releaseInfoUrl,
  releaseUrl,
} from "./release.ts";
import { unpack } from "./unpack.ts";

const MAX_PROGRAM = 128 * 1024 * 1024;
const MAX_LIST = 4 * 1024 * 1024;
const DEADLINE_MS = 600_000;

/** What is installed, and who says that it is right. One of `sha256` and `checksums` is needed. */
export interface InstallOptions {
  /** The directory of the state; the program goes to `bin/` in it. */
  readonly home: string;
  /** A file or an `https:` URL: the program, or a `.tgz` with it. @default {the release's file on GitHub} */
  readonly from?: string;
  /** Such as `2026.8.0`. @default {"latest"} */
  readonly release?: string;
  /** SHA-256 of what is downloaded, as hexadecimal digits. */
  readonly sha256?: string;
  /** `github`: what GitHub tells of the release; else a file or URL with a list of checksums. */
  readonly checksums?: string;
  /** @default {globalThis.fetch} */
  readonly fetch?: typeof globalThis.fetch;
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {this machine's programs} */
  readonly runner?: CommandRunner;
  /** @default {the environment} */
  readonly env?: (name: string) => string | undefined;
  readonly signal?: AbortSignal;
}

/** What was installed. */
export interface InstallResult {
  readonly path: string;
  /** What the program says of itself. */
  readonly version: string;
  /** Of what was downloaded. */
  readonly sha256: string;
  /** Where it came from. */
  readonly from: string;
  /** Who vouched: `--sha256`, or where the checksum was found. */
  readonly vouched_by: string;
}

/**
 * Gets the program, compares its SHA-256, tries it, and puts it in place at once. When anything is wrong, what was there stays.
 *
 * @throws {SynthError} `install_checksum_needed` (exit code 2), `install_checksum_mismatch`, `install_source_unusable`, `install_archive_invalid`,
 *   `cloudflared_broken` (127) and what reading and downloading throw
 */
export async function installCloudflared(options: InstallOptions): Promise<InstallResult> {
  const { home, clock = systemClock, signal, env = readEnv, runner = systemRunner } = options;
  const release = parseRelease(options.release ?? "latest");
  if (options.sha256 === undefined && options.checksums === undefined) throw checksumNeeded();
  if (options.sha256 !== undefined && options.checksums !== undefined) throw twoChecksums();
  const from = options.from ?? releaseUrl(release, releaseFile(Deno.build.os, Deno.build.arch));
  const limits = { clock, fetch: options.fetch, signal, deadlineMs: DEADLINE_MS };
  const { digest, vouchedBy } = await wantedDigest(options, release, nameOf(from), limits);
  const bytes = await fetchBytes(from, { ...limits, maxBytes: MAX_PROGRAM });
  const found = await sha256(bytes);
  if (found !== digest) throw mismatch(from, digest, found);
  const path = installedCloudflared(home);
  const program = unpack(bytes, path.split(/[/\\]/).at(-1) ?? "");
  const version = await place(
    program,
    path,
    (draft) => checkCloudflared(draft, { runner, env, clock, signal }),
  );
  return { path, version, sha256: found, from, vouched_by: vouchedBy };
}

async function wantedDigest(
  { sha256: given, checksums }: InstallOptions,
  release: string,
  file: string,
  limits: Omit<Parameters<typeof fetchBytes>[1], "maxBytes">,
): Promise<{ digest: string; vouchedBy: string }> {
  if (given !== undefined) return { digest: parseSha256(given), vouchedBy: "--sha256" };
  const github = checksums === "github";
  const source = github ? releaseInfoUrl(release) : checksums ?? "";
  const text = new TextDecoder().decode(
    await fetchBytes(source, { ...limits, maxBytes: MAX_LIST }),
  );
  const digest = github ? checksumOfRelease(text, file) : findChecksum(text, file);
  return { digest, vouchedBy: source };
}

/** The program is whole, private and tried before anybody can find it. */
async function place(
  program: Uint8Array,
  path: string,
  check: (draft: string) => Promise<string>,
): Promise<string> {
  const directory = path.replace(/[/\\][^/\\]*$/, "");
  await makePrivateDirectory(directory);
  // Windows runs only what has this ending.
  const draft = `${directory}/${newId("new-")}${path.endsWith(".exe") ? ".exe" : ""}`;
  try {
    {
      using file = await Deno.open(draft, { write: true, createNew: true, mode: 0o600 });
      for (let at = 0; at < program.length;) at += await file.write(program.subarray(at));
      await file.sync();
    }
    if (Deno.build.os !== "windows") await Deno.chmod(draft, 0o755);
    const version = await check(draft);
    await Deno.rename(draft, path);
    return version;
  } catch (error) {
    await Deno.remove(draft).catch(() => {});
    throw error;
  }
}

function nameOf(from: string): string {
  const path = isUrl(from) ? new URL(from).pathname : from;
  return path.split(/[/\\]/).at(-1) ?? "";
}

function checksumNeeded(): SynthError {
  return new SynthError("Nothing is installed without a checksum that somebody vouches for", {
    code: "install_checksum_needed",
    status: 400,
    exitCode: EXIT.usage,
    hint:
      "Give --sha256 with the digest of the file, or --checksums github (what GitHub tells of the release), or --checksums with a file or URL of a list",
  });
}

function twoChecksums(): SynthError {
  return new SynthError("--sha256 and --checksums cannot both be given", {
    code: "install_checksum_twice",
    status: 400,
    exitCode: EXIT.usage,
    hint: "Keep the one that you trust",
  });
}

function mismatch(from: string, wanted: string, found: string): SynthError {
  return new SynthError(`${from} has another checksum: ${found} instead of ${wanted}`, {
    code: "install_checksum_mismatch",
    hint:
      "Nothing was installed. Check that the checksum is of this very file and release; else somebody has changed the file",
  });
}

/** Which project files the user trusts: one fingerprint for each path. @module */
import { SynthError } from "@synth/core";
import { replacePrivateFile } from "@synth/core/platform";
import { readText } from "./files.ts";

/** The remembered fingerprints, by path. */
export async function readTrust(path: string): Promise<Map<string, string>> {
  const text = await readText(path);
  if (text === null) return new Map();
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw broken(path, cause);
  }
  const files = typeof content === "object" && content !== null && "files" in content
    ? content.files
    : undefined;
  if (!Array.isArray(files)) throw broken(path, undefined);
  const trusted = new Map<string, string>();
  for (const entry of files) {
    if (typeof entry?.path === "string" && typeof entry.sha256 === "string") {
      trusted.set(entry.path, entry.sha256);
    }
  }
  return trusted;
}

/** Replaces what is remembered. */
export async function writeTrust(
  path: string,
  trusted: ReadonlyMap<string, string>,
): Promise<void> {
  const files = [...trusted].map(([file, sha256]) => ({ path: file, sha256 }));
  await replacePrivateFile(path, `${JSON.stringify({ v: 1, files }, null, 2)}\n`);
}

function broken(path: string, cause: unknown): SynthError {
  return new SynthError(`${path} cannot be read`, {
    code: "trust_file_broken",
    hint: "Remove it and trust your projects again",
    cause,
  });
}

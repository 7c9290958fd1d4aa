/** Where the checksum of a download comes from. @module */
import { EXIT, SynthError } from "@synth/core";

const HEX = /^[0-9a-f]{64}$/;

/** A SHA-256 as hexadecimal digits. @throws {SynthError} `install_checksum_invalid`, exit code 2 */
export function parseSha256(text: string): string {
  const digest = text.trim().toLowerCase().replace(/^sha256:/, "");
  if (HEX.test(digest)) return digest;
  throw new SynthError("A SHA-256 has 64 hexadecimal digits", {
    code: "install_checksum_invalid",
    status: 400,
    exitCode: EXIT.usage,
  });
}

/**
 * Finds a file's SHA-256 in a list: lines of `DIGEST  NAME`, as `sha256sum` writes them, or of `NAME: DIGEST`, as the notes of cloudflared's releases
 * have them.
 *
 * @throws {SynthError} `install_checksum_missing`
 */
export function findChecksum(list: string, name: string): string {
  const found = new Set<string>();
  for (const line of list.split("\n")) {
    const words = line.trim().split(/[\s:|*`]+/).filter((word) => word !== "");
    if (!words.includes(name)) continue;
    const digests = words.map((word) => word.toLowerCase()).filter((word) => HEX.test(word));
    for (const digest of digests) found.add(digest);
  }
  const [digest] = found;
  if (digest !== undefined && found.size === 1) return digest;
  throw new SynthError(
    found.size === 0
      ? `The list of checksums has none for ${name}`
      : `The list of checksums has several for ${name}`,
    {
      code: "install_checksum_missing",
      hint: "Check that the list belongs to this version, or give the checksum with --sha256",
    },
  );
}

/** The SHA-256 of bytes, as hexadecimal digits. */
export async function sha256(bytes: Uint8Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Uint8Array(bytes));
  return new Uint8Array(digest).toHex();
}

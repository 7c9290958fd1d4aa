/** Where cloudflared's makers publish it. @module */
import { EXIT, jsonMember, parseJsonLimited, SynthError } from "@synth/core";
import { findChecksum, parseSha256 } from "./checksum.ts";

const REPOSITORY = "cloudflare/cloudflared";
const NAMES: Readonly<Record<string, string>> = {
  "linux-x86_64": "cloudflared-linux-amd64",
  "linux-aarch64": "cloudflared-linux-arm64",
  "darwin-x86_64": "cloudflared-darwin-amd64.tgz",
  "darwin-aarch64": "cloudflared-darwin-arm64.tgz",
  "windows-x86_64": "cloudflared-windows-amd64.exe",
};

/** Name of the file for a machine. @throws {SynthError} `install_platform_unknown` */
export function releaseFile(os: string, arch: string): string {
  const name = NAMES[`${os}-${arch}`];
  if (name !== undefined) return name;
  throw new SynthError(`There is no known release of cloudflared for ${os} on ${arch}`, {
    code: "install_platform_unknown",
    exitCode: EXIT.unavailable,
    hint: "Build it from its source and put it on the PATH",
  });
}

/** A version as they name them, `2026.8.0`, or `latest`. @throws {SynthError} `install_release_invalid`, exit code 2 */
export function parseRelease(text: string): string {
  if (text === "latest" || /^[0-9]{4}\.[0-9]{1,2}\.[0-9]{1,3}$/.test(text)) return text;
  throw new SynthError(`${JSON.stringify(text)} is no release of cloudflared`, {
    code: "install_release_invalid",
    status: 400,
    exitCode: EXIT.usage,
    hint: 'Write one like 2026.8.0, or "latest"',
  });
}

/** URL of a file of a release. */
export function releaseUrl(release: string, file: string): string {
  const base = `https://github.com/${REPOSITORY}/releases`;
  return release === "latest"
    ? `${base}/latest/download/${file}`
    : `${base}/download/${release}/${file}`;
}

/** URL of what GitHub tells of a release, checksums included. */
export function releaseInfoUrl(release: string): string {
  const base = `https://api.github.com/repos/${REPOSITORY}/releases`;
  return release === "latest" ? `${base}/latest` : `${base}/tags/${release}`;
}

/**
 * A file's SHA-256 from what GitHub tells of a release: the digest that GitHub has made of it, else the release's notes.
 *
 * @throws {SynthError} `install_checksum_missing`
 */
export function checksumOfRelease(text: string, file: string): string {
  const info = parseJsonLimited(text);
  const assets = jsonMember(info, "assets");
  for (const asset of Array.isArray(assets) ? assets : []) {
    const digest = jsonMember(asset, "digest");
    if (jsonMember(asset, "name") === file && typeof digest === "string") {
      return parseSha256(digest);
    }
  }
  const notes = jsonMember(info, "body");
  return findChecksum(typeof notes === "string" ? notes : "", file);
}

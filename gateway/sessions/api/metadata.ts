/** Metadata that callers write. @module */
import { type Json, SynthError } from "@synth/core";
import { OWN_METADATA } from "./wire.ts";

const MAX_LENGTH = 16 * 1024;

/** Checks it. @throws {SynthError} 400 `invalid_metadata`: too long, or a name that is ours */
export function checkMetadata(
  metadata: Record<string, Json> | null | undefined,
): Record<string, Json> {
  if (metadata === null || metadata === undefined) return {};
  const own = Object.keys(metadata).find((name) => name.startsWith(OWN_METADATA));
  if (own !== undefined) throw invalid(`Names that begin with "${OWN_METADATA}" are ours`);
  if (JSON.stringify(metadata).length > MAX_LENGTH) {
    throw invalid(`Metadata is at most ${MAX_LENGTH} characters of JSON`);
  }
  return metadata;
}

function invalid(message: string): SynthError {
  return new SynthError(message, { code: "invalid_metadata", status: 400, param: "metadata" });
}

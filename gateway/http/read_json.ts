/** Reads and parses a body within the limits of the configuration. @module */
import { decodeUtf8, type Json, parseJsonLimited } from "@synth/core";
import { readBody } from "./read_body.ts";
import type { RequestContext } from "./request_context.ts";

/** Milliseconds until the last byte of a body must have come. */
const BODY_MS = 60_000;

/**
 * The body.
 *
 * @param whenEmpty what no body at all stands for; without it that is not valid JSON
 * @throws {SynthError} 400, 408, 413 or 415
 */
export async function readJson(context: RequestContext, whenEmpty?: Json): Promise<Json> {
  const { max_body_bytes, max_json_depth } = context.snapshot.config.gateway;
  const { clock, request, signal } = context;
  const bytes = await readBody(request, {
    maxBytes: max_body_bytes,
    timeoutMs: BODY_MS,
    clock,
    signal,
  });
  context.fields["request_bytes"] = bytes.length;
  if (bytes.length === 0 && whenEmpty !== undefined) return whenEmpty;
  return parseJsonLimited(decodeUtf8(bytes), { maxDepth: max_json_depth });
}

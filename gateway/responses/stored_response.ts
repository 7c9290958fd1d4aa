/** What is stored of a response. @module */
import { SynthError } from "@synth/core";
import type { InputItem } from "@synth/core/api";
import type { ItemSecret, ItemSecrets } from "../bridge/items/item_secret.ts";
import type { ResponseEcho } from "../bridge/plan.ts";
import type { ResponseObject } from "../bridge/response_object.ts";
import { isUnstoredId } from "./response_ids.ts";

/** One stored response. */
export interface StoredResponse {
  /** As it went out. */
  readonly response: ResponseObject;
  /** The input of this turn alone, behind what was before it where that is stored nowhere; every item has an id. */
  readonly input: readonly InputItem[];
  /** Of items of the input and the output. */
  readonly secrets: ItemSecrets;
  /** The session that paid. */
  readonly session: string | null;
  /** What was asked for, where the upstream's response object may tell it in other words. */
  readonly asked: ResponseEcho | null;
  /** Only in what version 1 stored: responses before this one, the oldest first; the first one's ancestors go on. */
  readonly ancestors: readonly string[];
}

/** The version that is written; it and the one before are read. */
const VERSION = 2;

/** The text that is sealed. */
export function writeStored(stored: StoredResponse): string {
  const { response, input, secrets, session, asked } = stored;
  return JSON.stringify({
    v: VERSION,
    response,
    input,
    secrets: Object.fromEntries(secrets),
    session,
    ...(asked === null ? {} : { asked }),
  }).toWellFormed();
}

/**
 * Reads that text.
 *
 * @returns null for what is no stored response
 * @throws {SynthError} 503 `store_newer` for what a later gateway wrote
 */
export function readStored(text: string): StoredResponse | null {
  const value = JSON.parse(text) as {
    v?: unknown;
    response: ResponseObject;
    input: InputItem[];
    secrets?: { [id: string]: ItemSecret };
    session: string | null;
    asked?: ResponseEcho;
    ancestors?: string[];
  };
  const { v, response, input, session } = value;
  if (v !== VERSION && v !== VERSION - 1) {
    if (typeof v === "number" && v > VERSION) throw newer();
    return null;
  }
  return {
    response,
    input,
    secrets: new Map(Object.entries(value.secrets ?? {})),
    session,
    asked: value.asked ?? null,
    ancestors: value.ancestors ?? [],
  };
}

/** Whether this stands for all that was before it. */
export function isCompaction({ response }: StoredResponse): boolean {
  return response.output.some((item) => item.type === "compaction");
}

/** The response that must be read before this one; `null` when this one is enough, with what it went on from in its input. */
export function storedBefore(stored: StoredResponse): string | null {
  const { previous_response_id: id } = stored.response;
  return id === null || isUnstoredId(id) || isCompaction(stored) ? null : id;
}

function newer(): SynthError {
  return new SynthError("This response was stored by a newer synth", {
    code: "store_newer",
    status: 503,
    hint: "Update synth",
  });
}

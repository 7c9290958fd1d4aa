/** The answer to a `compaction_trigger`: the model's words as one sealed item, and nothing else (bridge.md 12.4). @module */
import type { Emitter } from "./emitter.ts";

/**
 * Puts the one `compaction` item out.
 *
 * @returns false when there is no summary or no seal: a client that replaced its history by that would have lost it
 */
export function concludeSummary(emitter: Emitter, summary: string): boolean {
  const text = summary.trim();
  const sealed = text === "" ? undefined : emitter.sealSummary(text);
  if (sealed === undefined) return false;
  const item = {
    id: emitter.newId("cmp_"),
    type: "compaction",
    encrypted_content: sealed,
  } as const;
  emitter.conclude(emitter.announce(item), item);
  return true;
}

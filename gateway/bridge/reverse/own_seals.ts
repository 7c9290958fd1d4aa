/** What this gateway sealed for another upstream, taken out of a request that is passed on: nobody else can read it. @module */
import { asFields, asText } from "../chat_chunk.ts";
import type { Sealed } from "../seal.ts";
import type { InputItem } from "./responses_body.ts";

/** What stands for a summary that nobody here can read. */
export const UNREADABLE_COMPACTION =
  "[An earlier part of this conversation was compacted elsewhere and cannot be read here.]";

/**
 * Reasoning under our seal is left out, a compaction under it becomes its summary. The upstream's own seals stay as they are.
 *
 * @param open gives what a seal of ours holds, or `null`
 */
export function withoutOwnSeals(
  input: readonly InputItem[],
  open: (seal: string) => Sealed | null,
): InputItem[] {
  const items: InputItem[] = [];
  for (const item of input) {
    const seal = asText(asFields(item)?.encrypted_content);
    if (!seal.startsWith("gwr1.")) items.push(item);
    else if (item.type !== "reasoning") {
      const sealed = open(seal);
      const text = sealed?.kind === "compaction"
        ? `[Summary of the conversation so far]\n${sealed.text}`
        : UNREADABLE_COMPACTION;
      items.push({ type: "message", role: "user", content: [{ type: "input_text", text }] });
    }
  }
  return items;
}

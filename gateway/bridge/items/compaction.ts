import type { CompactionItem } from "@synth/core/api";
import type { Sealer, SealScope } from "../seal.ts";

/** What a `compaction_trigger` asks of the model. */
export const COMPACTION_PROMPT =
  `Write a summary of this conversation for another model that goes on with the work and sees nothing else of it.
State the user's goal and every instruction that still holds, what was done and decided with the reasons, the state of files and
commands by exact names, what was found out, and the next steps. Be complete and short. Do not call tools.`;

/** The text that stands for a compacted history. */
export function compactionText(
  item: CompactionItem,
  options: {
    readonly sealer: Sealer | null;
    readonly scope: SealScope;
    readonly ignore: (what: string) => void;
  },
): string {
  const seal = item.encrypted_content;
  const opened = typeof seal === "string" ? options.sealer?.open(seal, options.scope) : null;
  if (opened?.kind === "compaction" && opened.text !== "") {
    return `[Summary of the conversation so far]\n${opened.text}`;
  }
  options.ignore("input:compaction");
  return "[An earlier part of this conversation was compacted elsewhere and cannot be read here.]";
}

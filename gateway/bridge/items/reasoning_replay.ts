import type { Json } from "@synth/core";
import type { ReasoningItem } from "@synth/core/api";
import type { ChatMessage } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";
import type { Sealer, SealScope } from "../seal.ts";
import { chatMaker, type ItemSecrets } from "./item_secret.ts";

/** Reasoning that goes back to the upstream. */
export interface Reasoning {
  readonly text: string;
  readonly details: readonly Json[] | null;
}

/** Reads a reasoning item: what was stored of it, else our own seal, else its raw text, else (only where the upstream insists) its summary. */
export function reasoningOf(
  item: ReasoningItem,
  profile: UpstreamProfile,
  sealer: Sealer | null,
  scope: SealScope,
  secrets?: ItemSecrets,
): Reasoning | null {
  if (profile.reasoningField === "none") return null;
  const secret = typeof item.id === "string" ? secrets?.get(item.id) : undefined;
  if (secret?.by === chatMaker(scope.model)) {
    return { text: secret.text ?? "", details: secret.details ?? null };
  }
  const seal = item.encrypted_content;
  if (sealer !== null && typeof seal === "string") {
    const opened = sealer.open(seal, scope);
    if (opened?.kind === "reasoning" && (opened.text !== "" || opened.details !== undefined)) {
      return { text: opened.text, details: opened.details ?? null };
    }
  }
  const text = joined(item.content) || (profile.reasoningRequired ? joined(item.summary) : "");
  return text === "" ? null : { text, details: null };
}

function joined(parts: readonly { text: string }[] | null | undefined): string {
  return parts?.map((part) => part.text).filter((text) => text !== "").join("\n") ?? "";
}

/** The members of an assistant message that carry reasoning to this upstream. */
export function reasoningMembers(
  reasoning: readonly Reasoning[],
  profile: UpstreamProfile,
): Partial<Extract<ChatMessage, { role: "assistant" }>> {
  const text = reasoning.map((part) => part.text).filter((part) => part !== "").join("\n");
  switch (profile.reasoningField) {
    case "none":
      return {};
    case "reasoning_content":
      return text === "" ? {} : { reasoning_content: text };
    case "reasoning":
      return text === "" ? {} : { reasoning: text };
    case "reasoning_details": {
      const details = reasoning.flatMap((part) => part.details ?? []);
      if (details.length > 0) return { reasoning_details: details };
      return text === "" ? {} : { reasoning: text };
    }
  }
}

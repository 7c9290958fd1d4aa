/** Which agent or SDK is asking: some need a shape of their own. @module */

/** The family of a client. */
export type ClientKind = "codex" | "opencode" | "ai-sdk" | "openai-sdk" | "other";

/** What the bridge must know of a client. */
export interface ClientTraits {
  readonly kind: ClientKind;
  /** Drops a message that has a refusal part, so refusals are sent as text (bridge.md R9). */
  readonly refusalAsText: boolean;
}

/** Reads the traits from `originator` and `user-agent`. */
export function clientTraits(headers: Headers): ClientTraits {
  const kind = kindOf(
    (headers.get("originator") ?? "").slice(0, 256),
    (headers.get("user-agent") ?? "").slice(0, 512),
  );
  return { kind, refusalAsText: kind === "codex" || kind === "opencode" || kind === "ai-sdk" };
}

function kindOf(originator: string, userAgent: string): ClientKind {
  if (/^codex[_-]/i.test(originator) || /^codex[_-]/i.test(userAgent)) return "codex";
  if (userAgent.startsWith("opencode/")) return "opencode";
  if (userAgent.includes("ai-sdk/")) return "ai-sdk";
  if (/^(?:Async)?OpenAI\//.test(userAgent)) return "openai-sdk";
  return "other";
}

import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** OpenAI itself, over Chat Completions. */
export const OPENAI: UpstreamProfile = {
  ...GENERIC,
  name: "openai",
  // Reasoning models refuse the older name.
  maxTokensField: "max_completion_tokens",
  outputCap: { honoured: true, includesReasoning: true },
  systemRole: "developer",
  // Developer messages may stand anywhere.
  midSystem: "system",
  // Chat Completions takes no reasoning back.
  reasoningField: "none",
  // All efforts are known but the newest.
  effortMap: { max: "xhigh" },
  // The one upstream that knows freeform tools and their grammars.
  customTools: "native",
  files: "native",
  audio: true,
  refusalField: true,
  badArguments: "keep",
  carries: [
    "sampling",
    "penalties",
    "logprobs",
    "verbosity",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "prompt_cache_options",
  ],
};

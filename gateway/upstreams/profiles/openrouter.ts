import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** OpenRouter, in front of many. */
export const OPENROUTER: UpstreamProfile = {
  ...GENERIC,
  name: "openrouter",
  // Reasoning is a list of parts, some signed, that must come back unchanged.
  reasoningField: "reasoning_details",
  // One field with the settings of all vendors.
  effortField: "reasoning.effort",
  effortMap: { max: "xhigh" },
  disableThinkingBody: { reasoning: { enabled: false } },
  files: "native",
  audio: true,
  carries: ["sampling", "penalties", "logprobs", "verbosity", "user"],
};

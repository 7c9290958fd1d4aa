import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Qwen models at Alibaba (compatible mode). */
export const QWEN: UpstreamProfile = {
  ...GENERIC,
  name: "qwen",
  // The cap is on the answer; thinking is counted beside it.
  outputCap: { honoured: true, includesReasoning: false },
  // Thinking is on or off, without levels.
  effortField: "none",
  disableThinkingBody: { enable_thinking: false },
  // Only auto, none and a named function are known.
  toolChoiceRequired: "hint",
  // JSON mode, but schemas only for some models.
  jsonSchema: "json_object+hint",
  strictField: "omit",
  carries: ["sampling", "penalties", "logprobs"],
};

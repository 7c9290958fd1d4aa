import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** xAI. */
export const XAI: UpstreamProfile = {
  ...GENERIC,
  name: "xai",
  maxTokensField: "max_completion_tokens",
  // `completion_tokens` leaves reasoning out, and so does the cap.
  outputCap: { honoured: true, includesReasoning: false },
  // Reasoning is shown and not taken back.
  reasoningField: "none",
  // The reasoning models refuse penalties with 400.
  carries: ["sampling", "logprobs", "user"],
};

import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Groq. */
export const GROQ: UpstreamProfile = {
  ...GENERIC,
  name: "groq",
  maxTokensField: "max_completion_tokens",
  outputCap: { honoured: true, includesReasoning: true },
  // Reasoning is in `reasoning`, both ways.
  reasoningField: "reasoning",
  // Older models report usage only as `x_groq.usage`, in the chunk with the finish reason.
  usage: "x_groq",
  // Log probabilities are refused with 400, penalties have no effect.
  carries: ["sampling", "service_tier", "user"],
};

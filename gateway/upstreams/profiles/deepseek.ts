import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** DeepSeek. Its thinking models refuse a tool turn that comes back without the reasoning behind it. */
export const DEEPSEEK: UpstreamProfile = {
  ...GENERIC,
  name: "deepseek",
  outputCap: { honoured: true, includesReasoning: true },
  // The field is not documented for requests.
  parallelToolCalls: "omit",
  reasoningRequired: true,
  // Two levels of thinking: the lower efforts are one, the highest are the other.
  effortMap: { minimal: "high", low: "high", medium: "high", xhigh: "max" },
  disableThinkingBody: { thinking: { type: "disabled" } },
  // JSON mode, but no schemas.
  jsonSchema: "json_object+hint",
  images: "none",
  // Strict tools exist only behind a beta address.
  strictField: "omit",
  // Every chunk says `usage: null`; the numbers are in the one with the finish reason.
  usage: "finish",
  carries: ["sampling", "penalties", "logprobs"],
};

import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Ollama. */
export const OLLAMA: UpstreamProfile = {
  ...GENERIC,
  name: "ollama",
  outputCap: { honoured: true, includesReasoning: true },
  parallelToolCalls: "omit",
  // Reasoning is in `reasoning`, both ways.
  reasoningField: "reasoning",
  // `none` is an effort of its own.
  effortMap: { minimal: "low", xhigh: "high", max: "high" },
  // Tool choice has no effect there.
  toolChoiceRequired: "hint",
  namedToolChoice: "hint",
  // It fetches nothing.
  images: "data",
  strictField: "omit",
  // Models without a thinking parser leave their tags in the text.
  thinkTags: "parse",
  // Models are loaded on the first request, which can take minutes.
  idleTimeoutMs: 300_000,
  carries: ["sampling", "penalties"],
};

import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Moonshot (Kimi). Its thinking models go on only with the reasoning of the turns before. */
export const MOONSHOT: UpstreamProfile = {
  ...GENERIC,
  name: "moonshot",
  outputCap: { honoured: true, includesReasoning: true },
  parallelToolCalls: "omit",
  reasoningRequired: true,
  // Thinking is on or off, without levels.
  effortField: "none",
  disableThinkingBody: { thinking: { type: "disabled" } },
  // `required` is refused.
  toolChoiceRequired: "hint",
  jsonSchema: "json_object+hint",
  // Images only as data.
  images: "data",
  strictField: "omit",
  // Usage is in the chunk with the last content and the finish reason.
  usage: "finish",
  carries: ["sampling", "penalties"],
};

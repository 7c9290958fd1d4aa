import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** Z.ai (GLM). */
export const ZAI: UpstreamProfile = {
  ...GENERIC,
  name: "zai",
  parallelToolCalls: "omit",
  // Thinking is on or off, without levels.
  effortField: "none",
  disableThinkingBody: { thinking: { type: "disabled" } },
  // `auto` is the only tool choice.
  toolChoiceRequired: "hint",
  namedToolChoice: "hint",
  jsonSchema: "json_object+hint",
  strictField: "omit",
  usage: "finish",
  carries: ["sampling"],
};

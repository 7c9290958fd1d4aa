import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** LM Studio. */
export const LMSTUDIO: UpstreamProfile = {
  ...GENERIC,
  name: "lmstudio",
  outputCap: { honoured: true, includesReasoning: true },
  parallelToolCalls: "omit",
  // A system message that is not the first breaks the Qwen templates it ships.
  midSystem: "user",
  effortField: "none",
  // `tool_choice` must be a string.
  namedToolChoice: "hint",
  // Only `text` and `json_schema` are known.
  jsonObject: false,
  // It fetches nothing.
  images: "data",
  strictField: "omit",
  // Reasoning stays in the text unless a setting of the program separates it.
  thinkTags: "parse",
  idleTimeoutMs: 300_000,
  carries: ["sampling", "penalties"],
};

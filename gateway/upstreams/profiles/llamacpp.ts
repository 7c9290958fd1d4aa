import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** llama.cpp (llama-server). */
export const LLAMACPP: UpstreamProfile = {
  ...GENERIC,
  name: "llamacpp",
  outputCap: { honoured: true, includesReasoning: true },
  // Its templates fail on a system message that is not the first.
  midSystem: "user",
  effortField: "none",
  disableThinkingBody: { chat_template_kwargs: { enable_thinking: false } },
  // `tool_choice` must be a string.
  namedToolChoice: "hint",
  // Arguments of earlier calls are parsed, and the request fails if they are not JSON.
  badArguments: "wrap",
  strictField: "omit",
  // Prompts are read at the speed of the machine.
  idleTimeoutMs: 300_000,
  carries: ["sampling", "penalties", "logprobs"],
};

import type { UpstreamProfile } from "../../bridge/profile.ts";
import { GENERIC } from "./generic.ts";

/** vLLM. */
export const VLLM: UpstreamProfile = {
  ...GENERIC,
  name: "vllm",
  outputCap: { honoured: true, includesReasoning: true },
  // Efforts are known to the templates of some models, which judge the value themselves.
  effortMap: { minimal: "low", xhigh: "high", max: "high" },
  // Qwen, GLM and DeepSeek templates read this switch; others ignore it.
  disableThinkingBody: { chat_template_kwargs: { enable_thinking: false } },
  audio: true,
  // Arguments of earlier calls are parsed, and the request fails if they are not JSON.
  badArguments: "wrap",
  carries: ["sampling", "penalties", "logprobs"],
};

import type { UpstreamProfile } from "../../bridge/profile.ts";

/** An upstream of which nothing is known: what nearly every Chat Completions server takes. */
export const GENERIC: UpstreamProfile = {
  name: "generic",
  // The older name; servers that follow OpenAI's newer one nearly always take this too.
  maxTokensField: "max_tokens",
  // `max_tokens` is part of the protocol that this profile stands for; `uncapped` is for servers that ignore it.
  outputCap: { honoured: true, includesReasoning: true },
  // Without it most servers report no usage in a stream.
  streamOptions: true,
  parallelToolCalls: "send",
  systemRole: "system",
  // Qwen-type templates fail on a system message that is not the first.
  midSystem: "user",
  // The name that vLLM, SGLang, llama.cpp, DeepSeek and their kin share.
  reasoningField: "reasoning_content",
  reasoningRequired: false,
  effortField: "reasoning_effort",
  // The three values that all servers with efforts know.
  effortMap: { none: null, minimal: "low", xhigh: "high", max: "high" },
  disableThinkingBody: null,
  toolChoiceRequired: "native",
  namedToolChoice: "native",
  jsonObject: true,
  jsonSchema: "native",
  // Freeform tools are known to OpenAI alone.
  customTools: "function",
  images: "url",
  // Tool messages take text only on most servers.
  toolImages: "user_message",
  files: "inline_text",
  audio: false,
  callId: "any",
  assistantNullContent: "null",
  refusalField: false,
  // Templates parse the arguments of earlier calls and fail on what is not JSON.
  badArguments: "wrap",
  strictField: "send",
  thinkTags: "off",
  usage: "chunk",
  idleTimeoutMs: 0,
  carries: ["sampling", "penalties", "logprobs"],
};

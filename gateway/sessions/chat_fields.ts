/** The fields of a Chat request by what they can cost. A chat client's fields go upstream as they are, so what is not known here is not bounded. @module */
import type { ChatRequest } from "../bridge/chat.ts";

/** Fields that cost no input tokens, or a few that a request's constant covers, and that may change between turns. */
export const NEUTRAL_FIELDS: ReadonlySet<string> = new Set([
  "cache_prompt",
  "enable_thinking",
  "frequency_penalty",
  "function_call",
  "ignore_eos",
  "include_reasoning",
  "include_stop_str_in_output",
  "length_penalty",
  "logit_bias",
  "logprobs",
  "max_completion_tokens",
  "max_tokens",
  "messages",
  "metadata",
  "min_p",
  "min_tokens",
  "n",
  "parallel_tool_calls",
  "presence_penalty",
  "prompt_cache_key",
  "prompt_cache_options",
  "prompt_cache_retention",
  "random_seed",
  "reasoning",
  "reasoning_effort",
  "reasoning_format",
  "reasoning_split",
  "repetition_penalty",
  "safety_identifier",
  "seed",
  "service_tier",
  "skip_special_tokens",
  "stop",
  "stop_token_ids",
  "store",
  "stream",
  "stream_options",
  "temperature",
  "thinking",
  "thinking_budget",
  "tool_choice",
  "top_a",
  "top_k",
  "top_logprobs",
  "top_p",
  "typical_p",
  "user",
  "verbosity",
]);

/** Of these the ones by which a template decides what of tools and earlier reasoning comes into the prompt. */
const SWITCHES: ReadonlySet<string> = new Set([
  "enable_thinking",
  "include_reasoning",
  "reasoning",
  "reasoning_effort",
  "reasoning_format",
  "reasoning_split",
  "thinking",
]);

const OFFERS_ALL: readonly unknown[] = [undefined, null, "auto", "required"];

/** Whether the same messages and tools can come to another number of tokens with another value of this field. */
export function isSwitch(field: string, value: unknown): boolean {
  if (field === "tool_choice" || field === "function_call") return !OFFERS_ALL.includes(value);
  return SWITCHES.has(field);
}

/** Fields whose bytes may come into the prompt, and no more than these. */
const COUNTED: ReadonlySet<string> = new Set([
  "chat_template_kwargs",
  "documents",
  "functions",
  "grammar",
  "guided_choice",
  "guided_grammar",
  "guided_json",
  "guided_regex",
  "json_schema",
  "model",
  "response_format",
  "safe_prompt",
  "structured_outputs",
  "tools",
]);

const USUAL_TIERS: readonly unknown[] = ["auto", "default", "flex"];

/**
 * The first field or tool that nothing in the price book bounds, or `null`: one that we do not know may choose a dearer model, search the web, or lift the cap.
 */
export function unmeterableField(chat: ChatRequest): string | null {
  for (const [field, value] of Object.entries(chat)) {
    if (value === undefined || value === null) continue;
    if (field === "modalities" && Array.isArray(value) && value.every((one) => one === "text")) {
      continue;
    }
    if (!NEUTRAL_FIELDS.has(field) && !COUNTED.has(field)) return shown(field);
  }
  if (bringsTemplate(chat["chat_template_kwargs"])) return "chat_template_kwargs";
  const tier = chat["service_tier"] ?? "auto";
  return USUAL_TIERS.includes(tier) ? hostedTool(chat.tools) : "service_tier";
}

/** Some servers take the template itself from there: a loop in it is longer than any bytes that were sent. */
function bringsTemplate(kwargs: unknown): boolean {
  return typeof kwargs === "object" && kwargs !== null &&
    Object.keys(kwargs).some((name) => name.toLowerCase().includes("template"));
}

/** Tools that the upstream runs by itself cost what they cost. */
function hostedTool(tools: unknown): string | null {
  if (!Array.isArray(tools)) return tools === undefined || tools === null ? null : "tools";
  const at = tools.findIndex((tool) => {
    const type: unknown = tool?.type;
    return type !== "function" && type !== "custom";
  });
  return at === -1 ? null : `tools[${at}]`;
}

/** A name from the request, fit for a message. */
function shown(field: string): string {
  return field.replace(/[^\x21-\x7e]/g, "?").slice(0, 64);
}

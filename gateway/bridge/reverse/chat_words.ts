/** Small parts of a Responses answer in the words of Chat Completions. @module */
import type { Json } from "@synth/core";
import { asFields, asText, safeJson } from "../chat_chunk.ts";
import type { TurnUsage } from "../stream/usage.ts";

/** `logprobs` of a choice; `null` when there are none. */
export function chatLogprobs(value: unknown): Json {
  if (!Array.isArray(value) || value.length === 0) return null;
  const content = value.map(entry).filter((one) => one !== null);
  return content.length === 0 ? null : { content, refusal: null };
}

function entry(value: unknown): { [key: string]: Json } | null {
  const own = tokenOf(value);
  if (own === null) return null;
  const top = asFields(value)?.top_logprobs;
  const list = Array.isArray(top) ? top.map(tokenOf).filter((one) => one !== null) : [];
  return { ...own, top_logprobs: list };
}

function tokenOf(value: unknown): { [key: string]: Json } | null {
  const fields = asFields(value);
  if (fields === null || typeof fields.token !== "string") return null;
  return {
    token: fields.token.toWellFormed(),
    logprob: typeof fields.logprob === "number" ? fields.logprob : 0,
    bytes: Array.isArray(fields.bytes) ? safeJson(fields.bytes) : null,
  };
}

/** A citation, or `null` for what Chat Completions does not know. */
export function annotationOf(value: unknown): Json {
  const given = asFields(value);
  if (given?.type !== "url_citation") return null;
  const { start_index, end_index } = given;
  return {
    type: "url_citation",
    url_citation: {
      url: asText(given.url),
      title: asText(given.title),
      start_index: typeof start_index === "number" ? start_index : 0,
      end_index: typeof end_index === "number" ? end_index : 0,
    },
  };
}

/** The `usage` of a completion. */
export function chatUsage(usage: TurnUsage): { [key: string]: Json } {
  return {
    prompt_tokens: usage.inputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.totalTokens,
    prompt_tokens_details: { cached_tokens: usage.cachedTokens, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  };
}

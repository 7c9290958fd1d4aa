/** What sets one Chat Completions upstream apart from another, as data. @module */
import type { Json } from "@synth/core";

/** Request fields that only some upstreams know. */
export type ExtraField =
  | "verbosity"
  | "service_tier"
  | "user"
  | "safety_identifier"
  | "prompt_cache_key"
  | "prompt_cache_retention"
  | "prompt_cache_options"
  | "logprobs"
  | "penalties"
  | "sampling";

/** The quirks of an upstream. Every flag says how a request must be written for it, or how its answer is to be read. */
export interface UpstreamProfile {
  readonly name: string;
  /** The field that caps the output. */
  readonly maxTokensField: "max_tokens" | "max_completion_tokens";
  /** Whether the upstream keeps to that cap, and whether reasoning counts against it. Null: not known. */
  readonly outputCap: { readonly honoured: boolean; readonly includesReasoning: boolean } | null;
  /** Whether `stream_options.include_usage` is understood. */
  readonly streamOptions: boolean;
  readonly parallelToolCalls: "send" | "omit";
  /** The role of the leading system message. */
  readonly systemRole: "system" | "developer";
  /** What becomes of system text after the first turn: a wrapped user message, a message of its own, or part of the first one. */
  readonly midSystem: "user" | "system" | "hoist";
  /** The member of an assistant message that carries reasoning back. */
  readonly reasoningField: "reasoning_content" | "reasoning" | "reasoning_details" | "none";
  /** The upstream refuses tool turns without their reasoning, so that even a summary is better than nothing. */
  readonly reasoningRequired: boolean;
  /** Where `reasoning.effort` goes. */
  readonly effortField: "reasoning_effort" | "reasoning.effort" | "none";
  /** From our effort to the upstream's; null: send none. An effort that is not listed goes as it is. */
  readonly effortMap: { readonly [effort: string]: string | null };
  /** Members that switch thinking off, for effort `none`. */
  readonly disableThinkingBody: { readonly [key: string]: Json } | null;
  /** Whether `tool_choice: "required"` is known; else the system text asks for it. */
  readonly toolChoiceRequired: "native" | "hint";
  /** Whether a named `tool_choice` is known; else only that tool is offered. */
  readonly namedToolChoice: "native" | "hint";
  /** Whether `response_format: {type: "json_object"}` is known. */
  readonly jsonObject: boolean;
  readonly jsonSchema: "native" | "json_object+hint" | "hint";
  /** Freeform tools as they are, or as a function with one string. */
  readonly customTools: "function" | "native";
  /** Which image sources are taken. */
  readonly images: "url" | "data" | "none";
  /** Where the images of a tool's output go. */
  readonly toolImages: "user_message" | "inline";
  readonly files: "native" | "inline_text" | "none";
  readonly audio: boolean;
  /** What a tool call id must look like. */
  readonly callId: "any" | "mistral9";
  /** What stands in for the text of an assistant message that only calls tools. */
  readonly assistantNullContent: "null" | "empty";
  /** Whether a refusal of an earlier turn has a field of its own, or is text. */
  readonly refusalField: boolean;
  /** Arguments of earlier calls that are not JSON: kept, or wrapped for upstreams that parse them. */
  readonly badArguments: "keep" | "wrap";
  readonly strictField: "send" | "omit";
  /** Whether `<think>` tags in the text are reasoning. */
  readonly thinkTags: "off" | "parse";
  /** Where usage is found in a stream. */
  readonly usage: "chunk" | "finish" | "x_groq" | "estimate";
  /** Milliseconds of silence that it needs at least, whatever `[gateway] idle_timeout_s` says; 0: no more than that. */
  readonly idleTimeoutMs: number;
  /** The optional request fields that this upstream takes. */
  readonly carries: readonly ExtraField[];
}

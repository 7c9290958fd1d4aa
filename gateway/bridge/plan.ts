/**
 * What the request side of the bridge hands to the stream side: the Chat request to send, and all that is needed to turn its answer
 * back into what the client asked for.
 *
 * @module
 */
import type { Json } from "@synth/core";
import type { ChatRequest } from "./chat.ts";
import type { LoopFound } from "./request/loop_guard.ts";

/** What a tool that the upstream knows as a function is for the client. */
export type ToolKind =
  | "function"
  | "custom"
  | "tool_search"
  | "local_shell"
  | "shell"
  | "apply_patch"
  | "stop";

/** One callable of this request. */
export interface ToolBinding {
  /** The function name that the upstream sees. */
  readonly upstreamName: string;
  readonly kind: ToolKind;
  /** The name that the client declared. */
  readonly name: string;
  /** The namespace that the client declared it in. */
  readonly namespace: string | null;
  /** False when `tool_choice: allowed_tools` excludes it: a call of it is suppressed. */
  readonly allowed: boolean;
}

/** How reasoning is shown to this client. */
export interface ReasoningExposure {
  /** As a summary (asked for), or as raw `reasoning_text` content. */
  readonly as: "summary" | "content";
  /** Whether the item carries our seal in `encrypted_content`. */
  readonly seal: boolean;
}

/** Members of the response object that repeat the request, defaults filled in (bridge.md 8). */
export interface ResponseEcho {
  readonly model: string;
  readonly instructions: string | null;
  readonly max_output_tokens: number | null;
  readonly max_tool_calls: number | null;
  readonly metadata: { [key: string]: string };
  readonly parallel_tool_calls: boolean;
  readonly previous_response_id: string | null;
  readonly prompt_cache_key: string | null;
  readonly reasoning: { effort: string | null; summary: string | null };
  readonly safety_identifier: string | null;
  readonly service_tier: string;
  readonly store: boolean;
  readonly temperature: number;
  readonly text: { [key: string]: Json };
  readonly tool_choice: Json;
  readonly tools: Json[];
  readonly top_logprobs: number;
  readonly top_p: number;
  readonly presence_penalty: number;
  readonly frequency_penalty: number;
  readonly truncation: string;
  readonly user: string | null;
}

/** What one turn needs, from the request to the terminal event. */
export interface TurnPlan {
  readonly chat: ChatRequest;
  /** By the name that the upstream sees. */
  readonly tools: ReadonlyMap<string, ToolBinding>;
  readonly echo: ResponseEcho;
  readonly reasoning: ReasoningExposure;
  /** Send refusals as text: for clients that drop a message with a refusal part (bridge.md R9). */
  readonly refusalAsText: boolean;
  /** False: at most one call goes to the client. */
  readonly parallelToolCalls: boolean;
  /** Whether `logprobs` were asked for. */
  readonly logprobs: boolean;
  /** Parse `<think>` tags out of the text. */
  readonly thinkTags: boolean;
  /** Bytes of text sent upstream, for an estimate when no usage is reported. */
  readonly inputBytes: number;
  /** Parts of the input that are no text, for their bounds in the price book. */
  readonly media?: { readonly images: number; readonly files: number; readonly audio: number };
  /** The model went round and round: its tools were withdrawn. */
  readonly loop?: LoopFound | null;
  /** The input ended with a `compaction_trigger`: the answer's text becomes one `compaction` item. */
  readonly compaction?: boolean;
  /** Request fields that are accepted and not carried, for `x-synth-ignored`. */
  readonly ignored: readonly string[];
  /** Hosted tools that are not carried, for `x-bridge-dropped-tools`. */
  readonly droppedTools: readonly string[];
}

/** Chat Completions as we send it and as upstreams answer. Shapes only. @module */
import type { Json } from "@synth/core";

/** A part of a user message. */
export type ChatPart =
  | { type: "text"; text: string }
  | { type: "image_url"; image_url: { url: string; detail?: string } }
  | { type: "input_audio"; input_audio: { data: string; format: string } }
  | { type: "file"; file: { filename?: string; file_data?: string; file_id?: string } };

/** A call in an assistant message. */
export type ChatToolCall =
  | { id: string; type: "function"; function: { name: string; arguments: string } }
  | { id: string; type: "custom"; custom: { name: string; input: string } };

/** A message of a history. */
export type ChatMessage =
  | { role: "system" | "developer"; content: string }
  | { role: "user"; content: string | ChatPart[] }
  | {
    role: "assistant";
    content: string | null;
    refusal?: string;
    reasoning_content?: string;
    reasoning?: string;
    reasoning_details?: Json[];
    tool_calls?: ChatToolCall[];
  }
  | { role: "tool"; tool_call_id: string; content: string | ChatPart[] };

/** A tool as the upstream is told of it. */
export type ChatTool =
  | {
    type: "function";
    function: { name: string; description?: string; parameters: Json; strict?: boolean };
  }
  | { type: "custom"; custom: { name: string; description?: string; format?: Json } };

/** A request body. */
export interface ChatRequest {
  model: string;
  messages: ChatMessage[];
  stream: boolean;
  stream_options?: { include_usage: boolean };
  tools?: ChatTool[];
  tool_choice?: Json;
  parallel_tool_calls?: boolean;
  max_tokens?: number;
  max_completion_tokens?: number;
  temperature?: number;
  top_p?: number;
  presence_penalty?: number;
  frequency_penalty?: number;
  logprobs?: boolean;
  top_logprobs?: number;
  response_format?: Json;
  reasoning_effort?: string;
  verbosity?: string;
  [key: string]: unknown;
}

/** The response object: every member, always (bridge.md 8). @module */
import type { OutputItem } from "./output_item.ts";
import type { ResponseEcho } from "./plan.ts";

/** Token counts as clients need them: no member may be missing (bridge.md R2). */
export interface ResponseUsage {
  input_tokens: number;
  input_tokens_details: { cached_tokens: number; cache_write_tokens: number };
  output_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
  total_tokens: number;
}

/** Why a response stopped before it was complete. */
export type IncompleteReason = "max_output_tokens" | "content_filter";

/** The error inside a failed response. */
export interface ResponseError {
  code: string;
  message: string;
}

/** Where a response stands. */
export type ResponseStatus = "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";

/** The members that change while a turn runs. */
export interface ResponseState {
  id: string;
  /** Unix seconds. */
  created_at: number;
  status: ResponseStatus;
  /** Unix seconds; only when completed. */
  completed_at: number | null;
  error: ResponseError | null;
  incomplete_details: { reason: IncompleteReason } | null;
  output: OutputItem[];
  usage: ResponseUsage | null;
}

/** A response as it goes over the wire. */
export interface ResponseObject extends ResponseState, ResponseEcho {
  object: "response";
  background: false;
}

/**
 * Puts the state of a turn and what repeats its request into one object. `output` is taken as it is: give it an
 * array that nobody changes afterwards.
 */
export function responseObject(
  state: ResponseState,
  echo: ResponseEcho,
  serviceTier?: string,
): ResponseObject {
  return {
    id: state.id,
    object: "response",
    created_at: state.created_at,
    status: state.status,
    background: false,
    completed_at: state.completed_at,
    error: state.error,
    incomplete_details: state.incomplete_details,
    output: state.output,
    usage: state.usage,
    instructions: echo.instructions,
    max_output_tokens: echo.max_output_tokens,
    max_tool_calls: echo.max_tool_calls,
    metadata: echo.metadata,
    model: echo.model,
    parallel_tool_calls: echo.parallel_tool_calls,
    previous_response_id: echo.previous_response_id,
    prompt_cache_key: echo.prompt_cache_key,
    reasoning: echo.reasoning,
    safety_identifier: echo.safety_identifier,
    service_tier: serviceTier ?? echo.service_tier,
    store: echo.store,
    temperature: echo.temperature,
    text: echo.text,
    tool_choice: echo.tool_choice,
    tools: echo.tools,
    top_logprobs: echo.top_logprobs,
    top_p: echo.top_p,
    presence_penalty: echo.presence_penalty,
    frequency_penalty: echo.frequency_penalty,
    truncation: echo.truncation,
    user: echo.user,
  };
}

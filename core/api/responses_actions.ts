/** Bodies of what can be done with responses beside creating one. @module */
import * as z from "zod";
import { ContentPartSchema, ResponsesToolSchema } from "./responses_items.ts";
import { RESPONSES_SHAPE } from "./responses_request.ts";
import type { ContentPart, ResponsesRequest } from "./responses_types.ts";

/** The outputs of the calls of a response. */
export interface ToolOutputsRequest extends
  Pick<
    ResponsesRequest,
    "stream" | "tools" | "tool_choice" | "metadata" | "max_output_tokens" | "include" | "reasoning"
  > {
  model?: string | null | undefined;
  tool_outputs: {
    tool_call_id?: string | null | undefined;
    /** The same, by the name that items have. */
    call_id?: string | null | undefined;
    output: string | ContentPart[];
  }[];
}

const id = z.string().min(1).max(512).nullish();

/** The body of `POST /responses/{id}/submit_tool_outputs`. */
export const ToolOutputsSchema: z.ZodType<ToolOutputsRequest> = z.strictObject({
  tool_outputs: z.array(z.strictObject({
    tool_call_id: id,
    call_id: id,
    output: z.union([z.string(), z.array(ContentPartSchema)]),
  })).min(1).max(512),
  stream: RESPONSES_SHAPE.stream,
  model: z.string().min(1).nullish(),
  tools: z.array(ResponsesToolSchema).max(512).nullish(),
  tool_choice: RESPONSES_SHAPE.tool_choice,
  metadata: RESPONSES_SHAPE.metadata,
  max_output_tokens: RESPONSES_SHAPE.max_output_tokens,
  include: RESPONSES_SHAPE.include,
  reasoning: RESPONSES_SHAPE.reasoning,
});

/** What is to be compacted. */
export type CompactRequest = Pick<
  ResponsesRequest,
  "model" | "input" | "previous_response_id" | "instructions" | "prompt_cache_key"
>;

/** The body of `POST /responses/compact`. */
export const CompactSchema: z.ZodType<CompactRequest> = z.strictObject({
  model: RESPONSES_SHAPE.model,
  input: RESPONSES_SHAPE.input,
  previous_response_id: RESPONSES_SHAPE.previous_response_id,
  instructions: RESPONSES_SHAPE.instructions,
  prompt_cache_key: RESPONSES_SHAPE.prompt_cache_key,
});

/** A Responses request as it is sent to an upstream. Shapes only. @module */
import type { Json } from "@synth/core";

/** An element of `input`. */
export type InputItem = { [key: string]: Json };

/** A request body. */
export interface ResponsesBody {
  model: string;
  stream: boolean;
  input: string | InputItem[];
  instructions?: string;
  max_output_tokens?: number;
  store?: boolean;
  tools?: Json[];
  [key: string]: unknown;
}

/** The fewest output tokens that the Responses API takes. */
export const LEAST_OUTPUT_TOKENS = 16;

/** The body with its output capped at a grant; as it is, when there is none. */
export function capped(body: ResponsesBody, grant: number | null): ResponsesBody {
  if (grant === null) return body;
  const { max_output_tokens: asked } = body;
  return { ...body, max_output_tokens: Math.min(grant, asked ?? grant) };
}

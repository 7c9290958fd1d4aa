import * as z from "zod";
import { SynthError } from "../errors.ts";
import { requestError } from "./responses_issue.ts";

/** The part of a Chat Completions body that the gateway looks at; all else goes to the upstream as it is. */
export interface ChatCompletionsRequest {
  model: string;
  messages: { role: string; [key: string]: unknown }[];
  stream?: boolean | null | undefined;
  stream_options?:
    | { include_usage?: boolean | null | undefined; [key: string]: unknown }
    | null
    | undefined;
  max_tokens?: number | null | undefined;
  max_completion_tokens?: number | null | undefined;
  n?: number | null | undefined;
  [key: string]: unknown;
}

/** See {@linkcode ChatCompletionsRequest}. */
export const ChatCompletionsSchema: z.ZodType<ChatCompletionsRequest> = z.looseObject({
  model: z.string().min(1),
  messages: z.array(z.looseObject({ role: z.string() })).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  n: z.int().min(1).max(128).nullish(),
});

/**
 * Checks a parsed JSON body, once.
 *
 * @throws {SynthError} 400 `invalid_type`, `invalid_value` or `missing_required_parameter`, with the path of the field in `param`
 */
export function parseChatRequest(body: unknown): ChatCompletionsRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SynthError("The body must be a JSON object", { code: "invalid_type", status: 400 });
  }
  const result = ChatCompletionsSchema.safeParse(body);
  if (!result.success) throw requestError(result.error, body, []);
  return result.data;
}

/**
 * `POST /responses`: the schema of its body, and the one parse of a request.
 *
 * ```ts
 * import { parseResponsesRequest } from "@synth/core/api";
 *
 * const body = parseResponsesRequest({ model: "synth-small", input: "Say hi" });
 * ```
 *
 * @module
 */
import * as z from "zod";
import { SynthError } from "../errors.ts";
import { InputItemSchema, jsonObject, nameOfType, ResponsesToolSchema } from "./responses_items.ts";
import { requestError } from "./responses_issue.ts";
import type { ResponsesRequest } from "./responses_types.ts";

export type * from "./responses_types.ts";

const text = z.string().nullish();
const flag = z.boolean().nullish();
const summary = z.enum(["auto", "concise", "detailed", "none"]).nullish();
const penalty = z.number().min(-2).max(2).nullish();

const shape = {
  model: z.string().min(1),
  input: z.union([z.string(), z.array(InputItemSchema)]).nullish(),
  instructions: text,
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  presence_penalty: penalty,
  frequency_penalty: penalty,
  tools: z.array(ResponsesToolSchema).nullish(),
  tool_choice: z.union([
    z.enum(["auto", "none", "required"]),
    z.looseObject({
      type: z.string(),
      name: text,
      namespace: text,
      mode: z.enum(["auto", "required"]).nullish(),
      tools: z.array(z.looseObject({ type: z.string(), name: text, namespace: text })).nullish(),
    }),
  ]).nullish(),
  parallel_tool_calls: flag,
  text: z.looseObject({
    format: z.looseObject({
      type: z.enum(["text", "json_object", "json_schema"]),
      name: text,
      description: text,
      schema: jsonObject.nullish(),
      strict: flag,
    }).nullish(),
    verbosity: z.enum(["low", "medium", "high"]).nullish(),
  }).nullish(),
  reasoning: z.looseObject({
    effort: z.enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"]).nullish(),
    summary,
    generate_summary: summary,
    context: z.enum(["auto", "current_turn", "all_turns"]).nullish(),
  }).nullish(),
  truncation: z.enum(["auto", "disabled"]).nullish(),
  stream: flag,
  stream_options: jsonObject.nullish(),
  store: flag,
  previous_response_id: z.string().min(1).max(256).nullish(),
  metadata: z.record(z.string().max(64), z.string().max(512)).refine(
    (value) => Object.keys(value).length <= 16,
    { error: "at most 16 keys" },
  ).nullish(),
  include: z.array(z.string()).nullish(),
  max_tool_calls: z.int().min(0).nullish(),
  service_tier: text,
  user: text,
  safety_identifier: text,
  prompt_cache_key: text,
  prompt_cache_retention: text,
  prompt_cache_options: jsonObject.nullish(),
  client_metadata: z.unknown().optional(),
  context_management: z.unknown().optional(),
  conversation: z.unknown().optional(),
  prompt: z.unknown().optional(),
  background: flag,
  moderation: z.unknown().optional(),
};

/** The schemas of single fields, for bodies that have some of them. */
export const RESPONSES_SHAPE: {
  readonly [F in keyof ResponsesRequest]-?: z.ZodType<ResponsesRequest[F]>;
} = shape;

/** The body of `POST /responses`. Strict at the top: a field that nobody carries must not vanish in silence. */
export const ResponsesRequestSchema: z.ZodType<ResponsesRequest> = z.strictObject(shape);

/** Every field that the top level of a request may have. */
export const RESPONSES_FIELDS: readonly string[] = Object.keys(shape);

/** How much a request may hold. */
export interface ResponsesLimits {
  /** Elements of `input`. @default {10_000} */
  items: number;
  /** Elements of `tools`. @default {512} */
  tools: number;
}

const DEFAULT_LIMITS: ResponsesLimits = { items: 10_000, tools: 512 };

/**
 * Checks a parsed JSON body, once. The answer shares no container with the body that later steps could change by accident.
 *
 * @throws {SynthError} 400 `invalid_type`, `invalid_value`, `missing_required_parameter`, `unknown_parameter`,
 * `array_above_max_length` or `invalid_request`, each with the path of the field in `param`
 */
export function parseResponsesRequest(
  body: unknown,
  limits: Partial<ResponsesLimits> = {},
): ResponsesRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new SynthError(`The body must be a JSON object, got ${nameOfType(body)}`, {
      code: "invalid_type",
      status: 400,
    });
  }
  const { items, tools } = { ...DEFAULT_LIMITS, ...limits };
  const given = body as { input?: unknown; tools?: unknown };
  checkLength("input", given.input, items);
  checkLength("tools", given.tools, tools);
  const result = ResponsesRequestSchema.safeParse(body);
  if (!result.success) throw requestError(result.error, body, RESPONSES_FIELDS);
  const request = result.data;
  const empty = request.input === undefined || request.input === null || request.input.length === 0;
  if (empty && (request.previous_response_id ?? null) === null) {
    throw new SynthError("input is empty", {
      code: request.input === undefined || request.input === null
        ? "missing_required_parameter"
        : "invalid_value",
      status: 400,
      param: "input",
      hint: "Give input, or previous_response_id to go on from a stored response",
    });
  }
  return request;
}

function checkLength(name: string, value: unknown, limit: number): void {
  if (Array.isArray(value) && value.length > limit) {
    throw new SynthError(`${name} has ${value.length} elements; at most ${limit} are accepted`, {
      code: "array_above_max_length",
      status: 400,
      param: name,
    });
  }
}

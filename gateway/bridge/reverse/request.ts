/** A Chat Completions request as a Responses request (bridge.md 13). Pure. @module */
import type { Json, SynthError } from "@synth/core";
import type { ChatCompletionsRequest } from "@synth/core/api";
import { asFields, asText } from "../chat_chunk.ts";
import { reverseMessages } from "./messages.ts";
import { invalid, noEquivalent } from "./refuse.ts";
import { LEAST_OUTPUT_TOKENS, type ResponsesBody } from "./responses_body.ts";
import { reverseChoice, reverseTools } from "./tools.ts";

/** A translated request. */
export interface ReversedRequest {
  readonly body: ResponsesBody;
  /** Fields that are accepted and not carried, for `x-synth-ignored`. */
  readonly ignored: readonly string[];
  /** The client speaks of `function_call`, as Chat Completions did before there were tools. */
  readonly legacyCalls: boolean;
}

/** Fields that mean the same under the same name. */
const SAME = [
  "temperature",
  "top_p",
  "parallel_tool_calls",
  "metadata",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "service_tier",
] as const;

/** Fields that are read elsewhere, or say nothing to an upstream. */
const READ: ReadonlySet<string> = new Set([
  ...SAME,
  "model",
  "messages",
  "stream",
  "stream_options",
  "max_tokens",
  "max_completion_tokens",
  "n",
  "tools",
  "functions",
  "tool_choice",
  "function_call",
  "response_format",
  "reasoning_effort",
  "reasoning",
  "verbosity",
  "logprobs",
  "top_logprobs",
  "modalities",
  "store",
]);

/** Fields whose loss would change the answer beyond what anyone expects: refused unless they say nothing. */
const REFUSED: ReadonlySet<string> = new Set(["stop", "logit_bias", "audio", "web_search_options"]);

/** Fields whose absence is told by their neutral value. */
const PENALTIES: ReadonlySet<string> = new Set(["presence_penalty", "frequency_penalty"]);

/**
 * Translates. The output is not clamped yet.
 *
 * @throws {SynthError} 400 `unsupported_parameter` or `invalid_value`, naming the field
 */
export function reverseRequest(
  chat: ChatCompletionsRequest,
  upstreamModel: string,
): ReversedRequest {
  const ignored = checkFields(chat);
  const history = reverseMessages(chat.messages);
  ignored.push(...history.ignored);
  const body: ResponsesBody = {
    model: upstreamModel,
    stream: chat.stream === true,
    // Chat Completions keeps nothing either.
    store: false,
    input: history.input,
  };
  if (history.instructions !== null) body.instructions = history.instructions;
  for (const field of SAME) {
    const value = chat[field];
    if (value !== null && value !== undefined) body[field] = value;
  }
  const cap = requestedOutput(chat);
  if (cap !== null) body.max_output_tokens = cap;
  carryTools(chat, body);
  carryText(chat, body);
  carryReasoning(chat, body);
  if (chat["logprobs"] === true) {
    body["include"] = ["message.output_text.logprobs"];
    const top = chat["top_logprobs"];
    if (typeof top === "number") body["top_logprobs"] = top;
  } else if ((chat["top_logprobs"] ?? 0) !== 0) ignored.push("top_logprobs");
  return { body, ignored, legacyCalls: Array.isArray(chat["functions"]) };
}

/** The output that was asked for, at least what the Responses API takes; `null` when nothing was said. */
export function requestedOutput(chat: ChatCompletionsRequest): number | null {
  const asked = chat.max_completion_tokens ?? chat.max_tokens ?? null;
  return asked === null ? null : Math.max(asked, LEAST_OUTPUT_TOKENS);
}

function checkFields(chat: ChatCompletionsRequest): string[] {
  if ((chat.n ?? 1) > 1) throw noEquivalent("n", "More than one choice");
  const modalities = chat["modalities"] ?? [];
  if (!Array.isArray(modalities) || modalities.some((one) => one !== "text")) {
    throw noEquivalent("modalities", "Output other than text");
  }
  const ignored: string[] = chat["store"] === true ? ["store"] : [];
  for (const [field, value] of Object.entries(chat)) {
    if (value === null || value === undefined || READ.has(field)) continue;
    if (REFUSED.has(field)) {
      const empty = value === "" || (typeof value === "object" && Object.keys(value).length === 0);
      if (!empty) throw noEquivalent(field, `'${field}'`);
    } else if (!(PENALTIES.has(field) && value === 0)) ignored.push(field);
  }
  return ignored;
}

function carryTools(chat: ChatCompletionsRequest, body: ResponsesBody): void {
  const tools = reverseTools(chat["tools"], chat["functions"]);
  const choice = reverseChoice(chat["tool_choice"], chat["function_call"]);
  if (tools.length === 0) {
    if (choice !== undefined && choice !== "auto" && choice !== "none") throw nothingToCall(chat);
    // Without tools there is nothing to choose, and servers refuse the choice.
    delete body["parallel_tool_calls"];
    return;
  }
  body.tools = tools;
  if (Array.isArray(chat["functions"])) body["parallel_tool_calls"] = false;
  if (choice !== undefined) body["tool_choice"] = choice;
}

function nothingToCall(chat: ChatCompletionsRequest): SynthError {
  const param = (chat["tool_choice"] ?? null) === null ? "function_call" : "tool_choice";
  return invalid(param, `${param} requires a call, and there are no tools`);
}

function carryText(chat: ChatCompletionsRequest, body: ResponsesBody): void {
  const text: Record<string, unknown> = {};
  const format = asFields(chat["response_format"]);
  if (format !== null && format.type !== "text") {
    if (format.type === "json_schema") text["format"] = schemaFormat(format.json_schema);
    else if (format.type === "json_object") text["format"] = { type: "json_object" };
    else throw noEquivalent("response_format", "This format");
  }
  if (typeof chat["verbosity"] === "string") text["verbosity"] = chat["verbosity"];
  if (Object.keys(text).length > 0) body["text"] = text;
}

function schemaFormat(value: unknown): { [key: string]: Json } {
  const given = asFields(value);
  if (given === null) {
    const param = "response_format.json_schema";
    throw invalid(param, `${param} must be an object with a name and a schema`);
  }
  const description = asText(given.description);
  return {
    type: "json_schema",
    name: asText(given.name) || "answer",
    ...(description === "" ? {} : { description }),
    schema: (asFields(given.schema) ?? {}) as { [key: string]: Json },
    strict: given.strict === true,
  };
}

function carryReasoning(chat: ChatCompletionsRequest, body: ResponsesBody): void {
  const given = asFields(chat["reasoning"]) ?? {};
  const effort = asText(chat["reasoning_effort"]) || asText(given.effort);
  const summary = asText(given.summary);
  if (effort === "" && summary === "") return;
  body["reasoning"] = {
    ...(effort === "" ? {} : { effort }),
    ...(summary === "" ? {} : { summary }),
  };
}

import { SynthError } from "@synth/core";
import type { ResponsesRequest } from "@synth/core/api";
import type { ChatRequest } from "../chat.ts";
import type { ExtraField, UpstreamProfile } from "../profile.ts";

/** Fields whose meaning we cannot give: refused, because to drop them would change what the client gets. */
const UNSUPPORTED: readonly (keyof ResponsesRequest)[] = ["conversation", "prompt", "moderation"];

/** Fields that go upstream under their own name where the profile knows them. */
const NAMED_EXTRAS = [
  "service_tier",
  "user",
  "safety_identifier",
  "prompt_cache_key",
  "prompt_cache_retention",
  "prompt_cache_options",
] as const satisfies readonly ExtraField[];

/** Fields that are accepted and never go upstream. */
const NEVER_CARRIED: readonly (keyof ResponsesRequest)[] = [
  "client_metadata",
  "context_management",
];

/** `include` values that the bridge acts on. */
const KNOWN_INCLUDES = new Set(["reasoning.encrypted_content", "message.output_text.logprobs"]);

/**
 * Refuses fields that cannot be given their meaning.
 *
 * @throws {SynthError} 400 `unsupported_parameter`
 */
export function refuseUnsupported(body: ResponsesRequest): void {
  for (const field of UNSUPPORTED) {
    if (body[field] !== null && body[field] !== undefined) throw unsupportedField(field);
  }
  if (body.background === true) throw unsupportedField("background");
}

function unsupportedField(field: string): SynthError {
  return new SynthError(`Unsupported parameter: '${field}'`, {
    code: "unsupported_parameter",
    status: 400,
    param: field,
  });
}

/** Copies the scalar fields that this upstream takes into the request, and names those that it does not take. */
export function carryFields(
  body: ResponsesRequest,
  chat: ChatRequest,
  profile: UpstreamProfile,
  ignore: (field: string) => void,
): void {
  const carries = new Set<ExtraField>(profile.carries);
  const put = (field: string, value: unknown, extra: ExtraField, as: string = field): void => {
    if (value === null || value === undefined) return;
    if (carries.has(extra)) chat[as] = value;
    else ignore(field);
  };
  put("temperature", body.temperature, "sampling");
  put("top_p", body.top_p, "sampling");
  put("presence_penalty", body.presence_penalty, "penalties");
  put("frequency_penalty", body.frequency_penalty, "penalties");
  put("text.verbosity", body.text?.verbosity, "verbosity", "verbosity");
  for (const field of NAMED_EXTRAS) put(field, body[field], field);
  for (const field of NEVER_CARRIED) {
    if (body[field] !== null && body[field] !== undefined) ignore(field);
  }
  if (body.max_tool_calls !== null && body.max_tool_calls !== undefined) ignore("max_tool_calls");
  for (const value of body.include ?? []) {
    if (!KNOWN_INCLUDES.has(value)) ignore("include");
  }
}

/** Whether log probabilities were asked for; written into the request where the upstream has them. */
export function carryLogprobs(
  body: ResponsesRequest,
  chat: ChatRequest,
  profile: UpstreamProfile,
  ignore: (field: string) => void,
): boolean {
  const top = body.top_logprobs ?? 0;
  const asked = top > 0 || (body.include ?? []).includes("message.output_text.logprobs");
  if (!asked) return false;
  if (!profile.carries.includes("logprobs")) {
    ignore(top > 0 ? "top_logprobs" : "include");
    return false;
  }
  chat.logprobs = true;
  if (top > 0) chat.top_logprobs = top;
  return true;
}

/** Writes `reasoning.effort` the way the upstream reads it. */
export function carryEffort(
  body: ResponsesRequest,
  chat: ChatRequest,
  profile: UpstreamProfile,
  ignore: (field: string) => void,
): void {
  const effort = body.reasoning?.effort;
  if (effort === null || effort === undefined) return;
  if (effort === "none" && profile.disableThinkingBody !== null) {
    Object.assign(chat, profile.disableThinkingBody);
    return;
  }
  const mapped = Object.hasOwn(profile.effortMap, effort) ? profile.effortMap[effort] : effort;
  if (mapped === null || mapped === undefined || profile.effortField === "none") {
    ignore("reasoning.effort");
  } else if (profile.effortField === "reasoning_effort") {
    chat.reasoning_effort = mapped;
  } else {
    chat["reasoning"] = { effort: mapped };
  }
}

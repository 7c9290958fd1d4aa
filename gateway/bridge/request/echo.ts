import type { Json } from "@synth/core";
import type { FunctionTool, ResponsesRequest, ResponsesTool } from "@synth/core/api";
import type { ResponseEcho } from "../plan.ts";

/** The members of the response object that repeat the request, with OpenAI's defaults. */
export function responseEcho(body: ResponsesRequest): ResponseEcho {
  return {
    model: body.model,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    reasoning: {
      effort: body.reasoning?.effort ?? null,
      summary: summaryOf(body),
    },
    safety_identifier: body.safety_identifier ?? null,
    service_tier: body.service_tier === "auto" ? "default" : body.service_tier ?? "default",
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: textEcho(body.text),
    tool_choice: (body.tool_choice ?? "auto") as Json,
    tools: (body.tools ?? []).map(toolEcho),
    top_logprobs: body.top_logprobs ?? 0,
    top_p: body.top_p ?? 1,
    presence_penalty: body.presence_penalty ?? 0,
    frequency_penalty: body.frequency_penalty ?? 0,
    truncation: body.truncation ?? "disabled",
    user: body.user ?? null,
  };
}

/** The kind of summary asked for, under either name; null: none. */
export function summaryOf(body: ResponsesRequest): string | null {
  const summary = body.reasoning?.summary ?? body.reasoning?.generate_summary ?? null;
  return summary === "none" ? null : summary;
}

function textEcho(text: ResponsesRequest["text"]): { [key: string]: Json } {
  const format = text?.format;
  const verbosity = text?.verbosity;
  return {
    format: format?.type === "json_schema"
      ? {
        type: format.type,
        name: format.name ?? "",
        description: format.description ?? null,
        schema: (format.schema ?? {}) as Json,
        strict: format.strict ?? null,
      }
      : { type: format?.type ?? "text" },
    ...(verbosity === null || verbosity === undefined ? {} : { verbosity }),
  };
}

function toolEcho(tool: ResponsesTool): Json {
  if (tool.type !== "function") return tool as unknown as Json;
  const { description, parameters, strict } = tool as FunctionTool;
  return {
    ...tool,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: strict ?? null,
  } as Json;
}

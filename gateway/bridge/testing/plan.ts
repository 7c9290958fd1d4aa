/** Plans turns in tests with as few words as possible. @module */
import { SynthError } from "@synth/core";
import { parseResponsesRequest } from "@synth/core/api";
import { GENERIC } from "../../upstreams/profiles/generic.ts";
import type { ChatMessage } from "../chat.ts";
import type { TurnPlan } from "../plan.ts";
import { type PlanOptions, planTurn } from "../request/plan_turn.ts";

/** Parses and plans a request; `model` and `input` have defaults. */
export function planOf(
  body: { readonly [key: string]: unknown },
  options: Partial<PlanOptions> = {},
): TurnPlan {
  return planTurn(parseResponsesRequest({ model: "m", input: "hi", ...body }), {
    profile: GENERIC,
    upstreamModel: "up",
    client: { kind: "other", refusalAsText: false },
    stopTool: "off",
    sealer: null,
    org: "org",
    ...options,
  });
}

/** The messages for some input items. */
export function messagesOf(
  input: readonly unknown[],
  options: Partial<PlanOptions> = {},
): ChatMessage[] {
  return planOf({ input }, options).chat.messages;
}

/** `code param` of the error that planning ends with. */
export function refusalOf(
  body: { readonly [key: string]: unknown },
  options: Partial<PlanOptions> = {},
): string {
  try {
    planOf(body, options);
  } catch (error) {
    if (error instanceof SynthError) return `${error.status} ${error.code} ${error.param}`;
    throw error;
  }
  return "no error";
}

/** A user message. */
export function user(text: string): { role: "user"; content: string } {
  return { role: "user", content: text };
}

/** A function call item. */
export function call(id: string, name = "f", args = "{}"): { [key: string]: unknown } {
  return { type: "function_call", call_id: id, name, arguments: args };
}

/** Its output. */
export function output(id: string, text: string): { [key: string]: unknown } {
  return { type: "function_call_output", call_id: id, output: text };
}

/** One letter or so a message: `s` system, `u:text`, `a:text[ids]`, `t:id=text`. */
export function sketch(messages: readonly ChatMessage[]): string[] {
  return messages.map((message) => {
    const text = typeof message.content === "string"
      ? message.content
      : message.content?.map((part) => part.type === "text" ? part.text : `<${part.type}>`)
        .join("|") ?? "";
    if (message.role === "tool") return `t:${message.tool_call_id}=${text}`;
    if (message.role !== "assistant") return `${message.role[0]}:${text}`;
    const calls = message.tool_calls?.map(({ id }) => id).join(",");
    return `a:${text}${calls === undefined ? "" : `[${calls}]`}`;
  });
}

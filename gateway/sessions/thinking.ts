/** Whether a model thinks before it answers, as far as a request says. @module */
import type { ChatRequest } from "../bridge/chat.ts";

/** `unsaid`: the model does what it does. */
export type Thinking = "on" | "off" | "unsaid";

/** Reads every way of saying it that the profiles and their users know. */
export function thinkingOf(chat: ChatRequest): Thinking {
  const { reasoning_effort: effort } = chat;
  if (typeof effort === "string") return effort === "none" ? "off" : "on";
  const reasoning = fields(chat["reasoning"]);
  const thinking = fields(chat["thinking"]);
  const template = fields(chat["chat_template_kwargs"]);
  const said = [chat["enable_thinking"], reasoning["enabled"], template["enable_thinking"]];
  if (said.includes(false) || reasoning["effort"] === "none" || thinking["type"] === "disabled") {
    return "off";
  }
  const wanted = said.includes(true) || thinking["type"] === "enabled" ||
    typeof reasoning["effort"] === "string" || typeof reasoning["max_tokens"] === "number";
  return wanted ? "on" : "unsaid";
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

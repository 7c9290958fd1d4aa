/** Whether a model thinks before it answers, as far as a request says. @module */
import type { ChatRequest } from "../bridge/chat.ts";
import type { UpstreamProfile } from "../bridge/profile.ts";

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
  const { effort: level } = reasoning;
  const wanted = said.includes(true) || thinking["type"] === "enabled" ||
    (typeof level === "string" && level !== "none") || typeof reasoning["max_tokens"] === "number";
  if (wanted) return "on";
  const off = said.includes(false) || level === "none" || thinking["type"] === "disabled";
  return off ? "off" : "unsaid";
}

/** The same at one upstream: "off" in words that it does not know is ignored there, and the model thinks. */
export function thinkingAt(
  chat: ChatRequest,
  { disableThinkingBody: body }: Pick<UpstreamProfile, "disableThinkingBody">,
): Thinking {
  const said = thinkingOf(chat);
  if (said !== "off") return said;
  const told = body !== null &&
    Object.entries(body).every(([name, value]) =>
      JSON.stringify(chat[name]) === JSON.stringify(value)
    );
  return told ? "off" : "unsaid";
}

function fields(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}

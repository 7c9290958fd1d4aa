import type { ChatMessage, ChatPart, ChatRequest } from "../chat.ts";
import { utf8Length } from "../stream/utf8_length.ts";

/** UTF-8 bytes of the text that a request sends, and how many parts are no text. */
export interface InputSize {
  readonly bytes: number;
  readonly images: number;
  readonly files: number;
  readonly audio: number;
}

/** Measures a request. Data URLs do not count as bytes: models charge for media by other rules. */
export function inputSize(chat: ChatRequest): InputSize {
  const counts = { image_url: 0, file: 0, input_audio: 0 };
  let bytes = 0;
  for (const message of chat.messages) bytes += messageBytes(message, counts);
  if (chat.tools !== undefined) bytes += utf8Length(JSON.stringify(chat.tools));
  if (chat.response_format !== undefined) bytes += utf8Length(JSON.stringify(chat.response_format));
  return {
    bytes,
    images: counts.image_url,
    files: counts.file,
    audio: counts.input_audio,
  };
}

type MediaCounts = Record<Exclude<ChatPart["type"], "text">, number>;

function messageBytes(message: ChatMessage, counts: MediaCounts): number {
  const { content } = message;
  let bytes = 0;
  if (typeof content === "string") bytes += utf8Length(content);
  else if (content !== null) {
    for (const part of content) {
      if (part.type === "text") bytes += utf8Length(part.text);
      else counts[part.type]++;
    }
  }
  if (message.role !== "assistant") return bytes;
  bytes += utf8Length(message.reasoning_content ?? "") + utf8Length(message.reasoning ?? "") +
    utf8Length(message.refusal ?? "");
  if (message.reasoning_details !== undefined) {
    bytes += utf8Length(JSON.stringify(message.reasoning_details));
  }
  for (const call of message.tool_calls ?? []) {
    bytes += call.type === "function"
      ? utf8Length(call.function.name) + utf8Length(call.function.arguments)
      : utf8Length(call.custom.name) + utf8Length(call.custom.input);
  }
  return bytes;
}

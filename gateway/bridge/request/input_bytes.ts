import type { ChatMessage, ChatPart, ChatRequest } from "../chat.ts";

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

/** Bytes of a string in UTF-8, without making them. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (code < 0x80) continue;
    bytes += code < 0x800 ? 1 : 2;
    // A pair is 4 bytes: its two units and the 2 just added.
    if (code >= 0xd800 && code < 0xdc00) {
      const next = text.charCodeAt(index + 1);
      if (next >= 0xdc00 && next < 0xe000) index++;
    }
  }
  return bytes;
}

/**
 * A Responses request in the words in which admission bounds one: every byte that can come into the prompt is in the messages, the tools or the format;
 * media are parts; and what nothing bounds has a member of its own, by whose name it is refused under a hard limit.
 *
 * @module
 */
import type { ChatMessage, ChatPart, ChatRequest } from "../chat.ts";
import { asFields, asText, type Fields } from "../chat_chunk.ts";
import type { ResponsesBody } from "./responses_body.ts";

/** Items that are text and nothing else, whose bytes bound their tokens. */
const OWN_WORDS: ReadonlySet<string> = new Set([
  "function_call",
  "custom_tool_call",
  "tool_search_call",
  "local_shell_call",
  "shell_call",
  "apply_patch_call",
  "reasoning",
  "agent_message",
  "compaction",
]);

const OUTPUTS: ReadonlySet<string> = new Set([
  "function_call_output",
  "custom_tool_call_output",
  "local_shell_call_output",
  "shell_call_output",
  "apply_patch_call_output",
]);

/** Tools that the client runs itself: they cost no more than their declaration. */
const CLIENT_TOOLS: ReadonlySet<string> = new Set([
  "function",
  "custom",
  "local_shell",
  "apply_patch",
]);

const MEDIA: ReadonlySet<unknown> = new Set(["input_image", "input_file", "input_audio"]);

/** Fields that cost nothing, or are looked at below. */
const LOOKED_AT: ReadonlySet<string> = new Set([
  "model",
  "stream",
  "stream_options",
  "input",
  "instructions",
  "tools",
  "text",
  "include",
  "client_metadata",
  "max_output_tokens",
  "max_tool_calls",
  "truncation",
]);

/** Sees a request as admission bounds it. Never sent. */
export function meteringView(body: ResponsesBody): ChatRequest {
  const view: ChatRequest = { model: body.model, messages: [], stream: body.stream };
  for (const [field, value] of Object.entries(body)) {
    if (LOOKED_AT.has(field) || value === false && field === "background") continue;
    view[field] = value;
  }
  if (typeof body.instructions === "string") {
    view.messages.push({ role: "system", content: body.instructions });
  }
  if (body["text"] !== undefined && body["text"] !== null) {
    view.response_format = body["text"] as NonNullable<ChatRequest["response_format"]>;
  }
  if (Array.isArray(body.tools)) view.tools = body.tools.map((tool) => seenTool(tool));
  if (typeof body.input === "string") view.messages.push({ role: "user", content: body.input });
  else if (Array.isArray(body.input)) {
    body.input.forEach((item, i) => view.messages.push(seenItem(item, `input[${i}]`, view)));
  }
  return view;
}

type SeenTool = NonNullable<ChatRequest["tools"]>[number];

/** A tool of the client counts as a function; one that the upstream runs keeps its type, and is refused for that. */
function seenTool(tool: unknown): SeenTool {
  const seen = runsAtClient(tool) ? { declared: tool, type: "function" } : tool;
  return seen as SeenTool;
}

/** Whether a tool costs no more than its declaration: the upstream does not run it. */
export function runsAtClient(value: unknown): boolean {
  const tool = asFields(value);
  const type = asText(tool?.type);
  if (type === "namespace") return Array.isArray(tool?.tools) && tool.tools.every(runsAtClient);
  if (type === "tool_search") return tool?.execution === "client";
  if (type === "shell") return asFields(tool?.environment)?.type === "local";
  return CLIENT_TOOLS.has(type);
}

function seenItem(item: Fields, param: string, view: ChatRequest): ChatMessage {
  const type = asText(item.type) || "message";
  if (type === "message") {
    const role = item.role === "assistant" ? "assistant" : "user";
    return parted(role, item.content, { role: item.role, phase: item.phase ?? null });
  }
  if (OUTPUTS.has(type)) {
    const { output, ...rest } = item;
    return parted("tool", output, rest);
  }
  const tools = type === "additional_tools" || type === "tool_search_output" ? item.tools : null;
  const known = Array.isArray(tools) ? tools.every(runsAtClient) : OWN_WORDS.has(type);
  if (!known) view[`${param}.${type}`] = true;
  return {
    role: tools === null ? "assistant" : "user",
    content: JSON.stringify(item),
  } as ChatMessage;
}

/** Content with its media as parts, and everything else as text. */
function parted(
  role: "assistant" | "user" | "tool",
  content: unknown,
  rest: unknown,
): ChatMessage {
  const head: ChatPart = { type: "text", text: JSON.stringify(rest) };
  const parts = Array.isArray(content)
    ? content.map((part) => seenPart(asFields(part) ?? {}))
    : [textPart(content)];
  return { role, content: [head, ...parts] } as ChatMessage;
}

/** The members of a part with a medium; text cannot hide in another one. */
const MEDIA_MEMBERS: ReadonlySet<string> = new Set([
  "type",
  "image_url",
  "detail",
  "file_id",
  "filename",
  "file_data",
  "file_url",
  "input_audio",
]);

function seenPart(part: Fields): ChatPart {
  const odd = Object.keys(part).some((name) => !MEDIA_MEMBERS.has(name));
  switch (odd && MEDIA.has(part.type) ? "odd" : part.type) {
    case "input_image":
      return { type: "image_url", image_url: { url: asText(part.image_url) } };
    case "input_file": {
      // A file that is only named has no data: what it is may change.
      const data = typeof part.file_data === "string" ? { file_data: part.file_data } : {};
      const file = { filename: asText(part.filename), ...data };
      return { type: "file", file };
    }
    case "input_audio": {
      const audio = asFields(part.input_audio);
      const seen = { data: asText(audio?.data), format: asText(audio?.format) };
      return { type: "input_audio", input_audio: seen };
    }
    case "input_text":
    case "output_text":
    case "text":
    case "summary_text":
    case "reasoning_text":
    case "refusal":
      return textPart(part);
    default:
      // Admission knows no such part, and says so.
      return { type: odd ? "unknown" : asText(part.type) || "unknown" } as unknown as ChatPart;
  }
}

function textPart(value: unknown): ChatPart {
  return { type: "text", text: typeof value === "string" ? value : JSON.stringify(value ?? null) };
}

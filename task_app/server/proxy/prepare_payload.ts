/** Makes of a Chat request one that a vendor takes. @module */
import type { FreeObject } from "../../contract/free_object.ts";

const DROPPED = ["stop_after_tool_calls", "thinking_mode", "thinking_budget", "reasoning"];
/** Reasoning models think with their output tokens: with fewer they answer nothing. */
const GPT5_MIN_TOKENS = 16_000;
const JSON_SCHEMA_MODELS = [
  "llama-3.3-70b",
  "llama-3.1-70b-versatile",
  "llama-70b",
  "mixtral-8x7b",
];

/** For OpenAI: drops what only other backends know, and fits a `gpt-5` request. The original is not changed. */
export function prepareForOpenAi(payload: FreeObject): FreeObject {
  const prepared = { ...payload };
  for (const name of DROPPED) delete prepared[name];
  if (isGpt5(prepared)) fitGpt5(prepared);
  return prepared;
}

/** For Groq: as for OpenAI, with `max_tokens`, and JSON schemas only for the models that take them. The original is not changed. */
export function prepareForGroq(payload: FreeObject): FreeObject {
  const prepared = prepareForOpenAi(payload);
  if (!isGpt5(prepared) && "max_completion_tokens" in prepared) {
    prepared["max_tokens"] ??= prepared["max_completion_tokens"];
    delete prepared["max_completion_tokens"];
  }
  const model = modelOf(prepared);
  const format = prepared["response_format"];
  const schema = isObject(format) && format["type"] === "json_schema";
  if (schema && !JSON_SCHEMA_MODELS.some((name) => model.includes(name))) {
    prepared["response_format"] = { type: "json_object" };
  }
  return prepared;
}

/** Appends a hint to the first system message, or begins with one. A hint that is there already is not added again. */
export function injectSystemHint(payload: FreeObject, hint: string): FreeObject {
  const messages: unknown[] = Array.isArray(payload["messages"]) ? payload["messages"] : [];
  const at = messages.findIndex((message) => isObject(message) && message["role"] === "system");
  const system = messages[at];
  if (!isObject(system)) {
    return { ...payload, messages: [{ role: "system", content: hint }, ...messages] };
  }
  const hinted = { ...system, content: append(system["content"], hint) };
  return { ...payload, messages: messages.map((message, i) => (i === at ? hinted : message)) };
}

function append(content: unknown, hint: string): unknown {
  if (Array.isArray(content)) {
    const has = content.some((part: unknown) =>
      isObject(part) && typeof part["text"] === "string" && part["text"].includes(hint)
    );
    return has ? content : [...content, { type: "text", text: hint }];
  }
  const text = typeof content === "string" ? content : "";
  if (text.includes(hint)) return text;
  return text === "" ? hint : `${text.trimEnd()}\n\n${hint}`;
}

function fitGpt5(prepared: FreeObject): void {
  if ("max_tokens" in prepared) {
    prepared["max_completion_tokens"] ??= prepared["max_tokens"];
    delete prepared["max_tokens"];
  }
  const limit = prepared["max_completion_tokens"];
  if (typeof limit === "number" && limit < GPT5_MIN_TOKENS) {
    prepared["max_completion_tokens"] = GPT5_MIN_TOKENS;
  }
  delete prepared["temperature"];
  delete prepared["top_p"];
  const tools: unknown = prepared["tools"];
  // Without tools, OpenAI refuses the fields about them.
  if (!Array.isArray(tools) || tools.length === 0) return;
  const first: unknown = tools[0];
  const fn = isObject(first) ? first["function"] : undefined;
  const name = isObject(fn) ? fn["name"] : undefined;
  if ((prepared["tool_choice"] ?? null) === null && typeof name === "string") {
    prepared["tool_choice"] = { type: "function", function: { name } };
  }
  prepared["parallel_tool_calls"] = false;
}

function isGpt5(payload: FreeObject): boolean {
  return modelOf(payload).includes("gpt-5");
}

function modelOf(payload: FreeObject): string {
  return typeof payload["model"] === "string" ? payload["model"].toLowerCase() : "";
}

function isObject(value: unknown): value is FreeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

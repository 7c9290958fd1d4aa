/** A tool call for models that only write about what they would do. @module */
import type { FreeObject } from "../../contract/free_object.ts";

const TOOL = "interact";
const CALL_ID = "tool_interact_fallback";
/** A longer text is no list of actions. */
const MAX_TEXT = 65_536;
const MAX_BRACES = 16;

/** What a text says should be done. */
export interface ParsedActions {
  actions: string[];
  reasoning?: string;
}

/**
 * An answer whose first choice calls `interact` when it has no tool call, but a text that names actions. Only for requests that offer that
 * tool, or none at all. The original is not changed.
 */
export function synthesizeToolCall(answer: FreeObject, request: FreeObject): FreeObject {
  const choices: unknown = answer["choices"];
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const message = isObject(choice) ? choice["message"] : undefined;
  if (!Array.isArray(choices) || !isObject(choice) || !isObject(message)) return answer;
  const calls: unknown = message["tool_calls"];
  if ((Array.isArray(calls) && calls.length > 0) || !offersTool(request["tools"])) return answer;
  const parsed = parseActions(textOf(message["content"]));
  if (parsed === null) return answer;
  const call = {
    id: CALL_ID,
    type: "function",
    function: { name: TOOL, arguments: JSON.stringify(parsed) },
  };
  return {
    ...answer,
    choices: [
      { ...choice, message: { ...message, tool_calls: [call] }, finish_reason: "tool_calls" },
      ...choices.slice(1),
    ],
  };
}

/** The actions of a text: JSON with `actions`, whole or embedded; `Actions: a, b`; lines `Action 1: x`. */
export function parseActions(text: string): ParsedActions | null {
  const trimmed = text.trim();
  if (trimmed === "" || trimmed.length > MAX_TEXT) return null;
  return fromJson(trimmed) ?? fromEmbeddedJson(trimmed) ?? fromLines(trimmed);
}

function fromJson(text: string): ParsedActions | null {
  if (!text.startsWith("{")) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const list: unknown = value["actions"];
  const actions = (Array.isArray(list) ? list : [list])
    .filter((action) => typeof action === "string")
    .map((action) => action.trim()).filter((action) => action !== "");
  if (actions.length === 0) return null;
  const reasoning = value["reasoning"];
  return typeof reasoning === "string" ? { actions, reasoning } : { actions };
}

/** Tries the objects of a text from its first braces on. */
function fromEmbeddedJson(text: string): ParsedActions | null {
  let start = text.indexOf("{");
  for (let tried = 0; start !== -1 && tried < MAX_BRACES; tried++) {
    const end = endOfObject(text, start);
    if (end === -1) return null;
    const parsed = fromJson(text.slice(start, end));
    if (parsed !== null) return parsed;
    start = text.indexOf("{", start + 1);
  }
  return null;
}

function endOfObject(text: string, start: number): number {
  let depth = 0;
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    const char = text.charAt(i);
    if (quoted) {
      if (char === "\\") i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "{") depth++;
    else if (char === "}" && --depth === 0) return i + 1;
  }
  return -1;
}

function fromLines(text: string): ParsedActions | null {
  const actions: string[] = [];
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === -1) continue;
    const label = line.slice(0, colon).replace(/[*#_-]/g, "").trim().toLowerCase();
    const value = line.slice(colon + 1).replaceAll("*", "").trim();
    if (label === "actions") {
      const list = value.replace(/^\[/, "").replace(/\]$/, "");
      actions.push(...list.split(",").map(unquote).filter((action) => action !== ""));
    } else if (/^action(?: ?\d{1,4})?$/.test(label) && unquote(value) !== "") {
      actions.push(unquote(value));
    }
  }
  return actions.length === 0 ? null : { actions };
}

function unquote(text: string): string {
  return text.trim().replace(/^["'`]/, "").replace(/["'`.]$/, "").trim();
}

function offersTool(tools: unknown): boolean {
  if (!Array.isArray(tools) || tools.length === 0) return true;
  return tools.some((tool: unknown) => {
    const fn = isObject(tool) ? tool["function"] : undefined;
    return isObject(fn) && fn["name"] === TOOL;
  });
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return "";
  return content.map((part: unknown) =>
    isObject(part) && typeof part["text"] === "string" ? part["text"] : ""
  ).join("");
}

function isObject(value: unknown): value is FreeObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * `synth-demo`: a program that answers like a Chat Completions model and is none. Deterministic: the same request, the same answer.
 *
 * What it understands, in the last user message:
 * - a line `call NAME {"json": "arguments"}` calls that tool, one call for each such line;
 * - `use the NAME tool` calls it with arguments made up from its schema;
 * - anything else is repeated back.
 *
 * After a tool output it reports the output. With a JSON schema it makes up an instance. `tool_choice` is obeyed.
 *
 * @module
 */
import type { ChatMessage, ChatRequest, ChatTool } from "../../bridge/chat.ts";
import { sampleOf } from "./sample_of.ts";

/** What the demo model decided to answer. */
export interface DemoAnswer {
  readonly text: string | null;
  readonly calls: readonly { id: string; name: string; arguments: string }[];
}

const LABEL = "[synth-demo: a built-in program, no language model]";
const CALL_LINE = /^\s{0,8}call ([A-Za-z0-9_.:-]{1,128})(?: (\{.*\}))?\s{0,8}$/;
const USE_TOOL = /\buse the ([A-Za-z0-9_.:-]{1,128}) tool\b/i;
const REPEATED_LENGTH = 2000;

/** Decides the answer. */
export function demoAnswer(request: ChatRequest): DemoAnswer {
  const tools = functionsOf(request.tool_choice === "none" ? [] : request.tools ?? []);
  const last = request.messages.at(-1);
  if (last?.role === "tool") {
    return { text: `${LABEL} The tool answered: ${textOf(last)}`, calls: [] };
  }
  const prompt = lastUserText(request.messages);
  const calls = callsIn(prompt, tools, request.tool_choice);
  if (calls.length > 0) return { text: null, calls };
  const structured = structuredAnswer(request.response_format);
  if (structured !== null) return { text: structured, calls: [] };
  return { text: `${LABEL} You said: ${prompt}`, calls: [] };
}

type Functions = Map<string, unknown>;

function functionsOf(tools: readonly ChatTool[]): Functions {
  const functions: Functions = new Map();
  for (const tool of tools) {
    if (tool.type === "function") functions.set(tool.function.name, tool.function.parameters);
    else functions.set(tool.custom.name, null);
  }
  return functions;
}

function callsIn(prompt: string, tools: Functions, choice: unknown): DemoAnswer["calls"] {
  const calls: { id: string; name: string; arguments: string }[] = [];
  const add = (name: string, args: string): void => {
    calls.push({ id: `call_demo_${calls.length + 1}`, name, arguments: args });
  };
  for (const line of prompt.split("\n")) {
    const [, name, args] = CALL_LINE.exec(line) ?? [];
    if (name !== undefined && tools.has(name)) add(name, args ?? made(tools.get(name)));
  }
  const used = USE_TOOL.exec(prompt)?.[1];
  if (calls.length === 0 && used !== undefined && tools.has(used)) add(used, made(tools.get(used)));
  if (calls.length === 0) {
    const forced = forcedTool(choice, tools);
    if (forced !== null) add(forced, made(tools.get(forced)));
  }
  return calls;
}

function forcedTool(choice: unknown, tools: Functions): string | null {
  if (choice === "required") return tools.keys().next().value ?? null;
  if (typeof choice !== "object" || choice === null) return null;
  const named = (choice as { function?: { name?: unknown } }).function?.name;
  return typeof named === "string" && tools.has(named) ? named : null;
}

function made(schema: unknown): string {
  const value = sampleOf(schema);
  return JSON.stringify(typeof value === "object" && value !== null ? value : {});
}

function structuredAnswer(format: unknown): string | null {
  if (typeof format !== "object" || format === null) return null;
  const { type, json_schema } = format as { type?: unknown; json_schema?: { schema?: unknown } };
  if (type === "json_schema") return JSON.stringify(sampleOf(json_schema?.schema));
  return type === "json_object" ? JSON.stringify({ model: "synth-demo" }) : null;
}

function lastUserText(messages: readonly ChatMessage[]): string {
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i];
    if (message?.role === "user") return textOf(message).slice(0, REPEATED_LENGTH);
  }
  return "";
}

function textOf(message: ChatMessage): string {
  const content = message.content ?? "";
  if (typeof content === "string") return content.slice(0, REPEATED_LENGTH);
  const texts = content.map((part) => part.type === "text" ? part.text : `(${part.type})`);
  return texts.join("\n").slice(0, REPEATED_LENGTH);
}

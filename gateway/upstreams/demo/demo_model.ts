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
import { asFields, type Fields } from "../../bridge/chat_chunk.ts";
import type { ChatRequest } from "../../bridge/chat.ts";
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

/** Decides the answer. Chat requests come here as clients wrote them: what is not of the right shape counts as absent. */
export function demoAnswer(request: ChatRequest): DemoAnswer {
  const tools = functionsOf(request.tool_choice === "none" ? [] : listOf(request.tools));
  const messages = listOf(request.messages);
  const last = messages.at(-1);
  if (last?.role === "tool") {
    return { text: `${LABEL} The tool answered: ${textOf(last)}`, calls: [] };
  }
  const prompt = lastUserText(messages);
  const calls = callsIn(prompt, tools, request.tool_choice);
  if (calls.length > 0) return { text: null, calls };
  const structured = structuredAnswer(request.response_format);
  if (structured !== null) return { text: structured, calls: [] };
  return { text: `${LABEL} You said: ${prompt}`, calls: [] };
}

type Functions = Map<string, unknown>;

function functionsOf(tools: readonly Fields[]): Functions {
  const functions: Functions = new Map();
  for (const { type, function: fn, custom } of tools) {
    const tool = asFields(type === "custom" ? custom : fn);
    if (typeof tool?.name !== "string") continue;
    functions.set(tool.name, type === "custom" ? null : tool.parameters);
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
  const named = asFields(asFields(choice)?.function)?.name;
  return typeof named === "string" && tools.has(named) ? named : null;
}

function made(schema: unknown): string {
  const value = sampleOf(schema);
  return JSON.stringify(typeof value === "object" && value !== null ? value : {});
}

function structuredAnswer(format: unknown): string | null {
  const { type, json_schema } = asFields(format) ?? {};
  if (type === "json_schema") {
    return JSON.stringify(sampleOf(asFields(json_schema)?.schema)) ?? "null";
  }
  return type === "json_object" ? JSON.stringify({ model: "synth-demo" }) : null;
}

function lastUserText(messages: readonly Fields[]): string {
  const last = messages.findLast((message) => message.role === "user");
  return last === undefined ? "" : textOf(last).slice(0, REPEATED_LENGTH);
}

function textOf({ content }: Fields): string {
  if (typeof content === "string") return content.slice(0, REPEATED_LENGTH);
  const texts = listOf(content).map(({ type, text }) =>
    type === "text" ? String(text) : `(${String(type).slice(0, 64)})`
  );
  return texts.join("\n").slice(0, REPEATED_LENGTH);
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(asFields).filter((one) => one !== null) : [];
}

/** What a strict Chat Completions server asks of a request. @module */
import { isRecord, type Rec } from "./response_shape.ts";

const ROLES = ["system", "developer", "user", "assistant", "tool"];
const PARTS = ["text", "image_url", "input_audio", "file"];

/** What is wrong with a request body. */
export function checkRequest(body: Rec): string[] {
  const problems: string[] = [];
  if (typeof body.model !== "string" || body.model === "") problems.push("no model");
  if (!Array.isArray(body.messages) || body.messages.length === 0) problems.push("no messages");
  const options = isRecord(body.stream_options) ? body.stream_options : {};
  if (body.stream === true && options.include_usage !== true) {
    problems.push("a stream without stream_options.include_usage");
  }
  if (body.tools !== undefined) problems.push(...checkTools(body.tools));
  else if (body.tool_choice !== undefined) problems.push("tool_choice without tools");
  const messages = Array.isArray(body.messages) ? body.messages : [];
  problems.push(...checkHistory(messages));
  return problems;
}

function checkTools(tools: unknown): string[] {
  if (!Array.isArray(tools) || tools.length === 0) return ["tools is not a non-empty array"];
  const problems: string[] = [];
  const names = new Set<string>();
  for (const tool of tools) {
    const fn = isRecord(tool) && isRecord(tool.function) ? tool.function : undefined;
    if (fn === undefined || !isRecord(tool) || tool.type !== "function") {
      problems.push(`a tool that is no function: ${JSON.stringify(tool)}`);
      continue;
    }
    const name = String(fn.name);
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) problems.push(`the tool name ${name} is not legal`);
    if (names.has(name)) problems.push(`two tools named ${name}`);
    names.add(name);
    if (!isRecord(fn.parameters)) problems.push(`the tool ${name} has no parameters`);
  }
  return problems;
}

function checkHistory(messages: unknown[]): string[] {
  const problems: string[] = [];
  let pending: string[] = [];
  messages.forEach((message, n): void => {
    const say = (problem: string) => problems.push(`messages[${n}]: ${problem}`);
    if (!isRecord(message)) return void say("not an object");
    if (!ROLES.includes(String(message.role))) return void say(`role ${String(message.role)}`);
    if ((message.role === "system" || message.role === "developer") && n > 0) {
      say("a system message that is not the first");
    }
    problems.push(...checkContent(message).map((p) => `messages[${n}]: ${p}`));
    if (message.role === "tool") {
      const id = String(message.tool_call_id);
      if (!pending.includes(id)) say(`a tool message for ${id}, which no call waits for`);
      pending = pending.filter((call) => call !== id);
      return;
    }
    if (pending.length > 0) say(`comes before the outputs of ${pending.join(", ")}`);
    pending = [];
    if (message.role !== "assistant" || message.tool_calls === undefined) return;
    const calls = Array.isArray(message.tool_calls) ? message.tool_calls : [];
    if (calls.length === 0) say("tool_calls is not a non-empty array");
    for (const call of calls) {
      if (!isRecord(call) || typeof call.id !== "string" || call.id === "") {
        say("a tool call without an id");
        continue;
      }
      if (pending.includes(call.id)) say(`two calls with the id ${call.id}`);
      pending.push(call.id);
      const fn = isRecord(call.function) ? call.function : {};
      if (typeof fn.name !== "string" || typeof fn.arguments !== "string") {
        say("a tool call without name and arguments");
      }
    }
  });
  if (pending.length > 0) problems.push(`the history ends before the outputs of ${pending}`);
  return problems;
}

function checkContent(message: Rec): string[] {
  const { role, content } = message;
  if (typeof content === "string") return [];
  if (content === null || content === undefined) {
    const excused = role === "assistant" &&
      (message.tool_calls !== undefined || message.refusal !== undefined);
    return excused ? [] : ["no content"];
  }
  if (!Array.isArray(content) || content.length === 0) return ["content of an unknown shape"];
  return content
    .filter((part) => !isRecord(part) || !PARTS.includes(String(part.type)))
    .map((part) => `a foreign part: ${JSON.stringify(part)?.slice(0, 80)}`);
}

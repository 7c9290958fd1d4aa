/** What a strict Chat Completions server asks of a request. @module */
import { historyFaults } from "./chat_history_validator.ts";
import { isRecord, type Rec } from "./response_shape.ts";

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
  problems.push(...historyFaults(body.messages));
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

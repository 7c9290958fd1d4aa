/**
 * What upstreams do, one case each, and what a Responses client must see of it. The model name `mock-<case>` picks one.
 *
 * @module
 */
import { BRIDGE_CASES } from "./cases/bridge.ts";
import { CALL_CASES } from "./cases/calls.ts";
import { FAULT_CASES } from "./cases/faults.ts";
import { FRAMING_CASES } from "./cases/framing.ts";
import { PROVIDER_CASES } from "./cases/providers.ts";
import { REASONING_CASES } from "./cases/reasoning.ts";
import { TEXT_CASES } from "./cases/text.ts";
import { USAGE_CASES } from "./cases/usage.ts";
import type { ScriptedCase } from "./cases/scripted_case.ts";
import type { RawReply } from "./raw_http.ts";
import { isRecord, type Rec } from "./response_shape.ts";

export type { Expectation, ScriptedCase } from "./cases/scripted_case.ts";

/** All cases, by name. */
export const CASES: ReadonlyMap<string, ScriptedCase> = new Map([
  ...TEXT_CASES,
  ...CALL_CASES,
  ...BRIDGE_CASES,
  ...REASONING_CASES,
  ...USAGE_CASES,
  ...PROVIDER_CASES,
  ...FRAMING_CASES,
  ...FAULT_CASES,
]);

/** The tools that the cases call: two functions, a custom tool, a namespace and a tool search. */
export const TOOLS: readonly Rec[] = [
  fn("f"),
  fn("g"),
  fn("get_weather"),
  { type: "custom", name: "apply_patch", description: "Edits files", format: { type: "text" } },
  { type: "namespace", name: "multi_agent_v1", description: "Agents", tools: [fn("close_agent")] },
  {
    type: "tool_search",
    execution: "client",
    description: "Finds tools",
    parameters: { type: "object", properties: { query: { type: "string" } } },
  },
];

function fn(name: string): Rec {
  const parameters = { type: "object", properties: {} };
  return { type: "function", name, description: `The tool ${name}`, parameters, strict: false };
}

/** The answer of a case; undefined when there is none of that name. */
export function scriptedReply(name: string, body: Rec): RawReply | undefined {
  return CASES.get(name)?.reply(body);
}

/** One short line an output item: its type and what a client reads of it. */
export function describeOutput(output: unknown): string[] {
  if (!Array.isArray(output)) return ["no output"];
  return output.map((item) => {
    if (!isRecord(item)) return "not an item";
    switch (item.type) {
      case "message":
        return list(item.content).map((part) =>
          part.type === "refusal" ? `refusal:${part.refusal}` : `message:${part.text}`
        ).join("+");
      case "reasoning":
        return "reasoning:" +
          [...list(item.summary), ...list(item.content)].map((part) => part.text).join("");
      case "function_call":
        return `function_call:${name(item)}:${item.arguments}`;
      case "custom_tool_call":
        return `custom_tool_call:${name(item)}:${item.input}`;
      default:
        return `${item.type}:${JSON.stringify(item.arguments ?? item.action ?? item.operation)}`;
    }
  });
}

function name(item: Rec): string {
  return item.namespace === undefined ? String(item.name) : `${item.name}@${item.namespace}`;
}

function list(value: unknown): Rec[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

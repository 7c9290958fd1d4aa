import type {
  BuiltInCallItem,
  CustomToolCallItem,
  FunctionCallItem,
  JsonObject,
  ToolSearchCallItem,
} from "@synth/core/api";
import type { ChatToolCall } from "../chat.ts";
import type { UpstreamProfile } from "../profile.ts";
import { flatName } from "../tools/flat_name.ts";

/** The items that become an entry of `tool_calls`. */
export type CallItem = FunctionCallItem | CustomToolCallItem | ToolSearchCallItem | BuiltInCallItem;

/** The entry for a call, under the id that it has upstream. Names are made by the same rule as those of the tools. */
export function chatToolCall(item: CallItem, id: string, profile: UpstreamProfile): ChatToolCall {
  switch (item.type) {
    case "function_call":
      return call(
        id,
        flatName(item.namespace, item.name),
        argumentsText(item.arguments, profile),
      );
    case "custom_tool_call": {
      const name = flatName(item.namespace, item.name);
      return profile.customTools === "native"
        ? { id, type: "custom", custom: { name, input: item.input } }
        : call(id, name, JSON.stringify({ input: item.input }));
    }
    case "tool_search_call":
      return call(
        id,
        "tool_search",
        typeof item.arguments === "string"
          ? argumentsText(item.arguments, profile)
          : JSON.stringify(item.arguments ?? {}),
      );
    case "local_shell_call":
      return call(id, "local_shell", JSON.stringify(localShell(item.action ?? {})));
    case "shell_call":
      return call(id, "shell", JSON.stringify(shell(item.action ?? {})));
    case "apply_patch_call":
      return call(id, "apply_patch", JSON.stringify({ operation: item.operation ?? {} }));
  }
}

function call(id: string, name: string, text: string): ChatToolCall {
  return { id, type: "function", function: { name, arguments: text } };
}

/** Arguments as a JSON text: an empty string is no JSON, and a call that was cut off may hold half a text. */
function argumentsText(text: string, profile: UpstreamProfile): string {
  if (text === "") return "{}";
  if (profile.badArguments === "keep") return text;
  try {
    JSON.parse(text);
    return text;
  } catch {
    return JSON.stringify({ input: text });
  }
}

function localShell(action: JsonObject): JsonObject {
  return pick(action, {
    command: "command",
    workdir: "working_directory",
    timeout_ms: "timeout_ms",
    env: "env",
  });
}

function shell(action: JsonObject): JsonObject {
  return pick(action, {
    commands: "commands",
    timeout_ms: "timeout_ms",
    max_output_length: "max_output_length",
  });
}

function pick(source: JsonObject, names: { readonly [to: string]: string }): JsonObject {
  const result: JsonObject = {};
  for (const [to, from] of Object.entries(names)) {
    const value = Object.hasOwn(source, from) ? source[from] : undefined;
    if (value !== undefined && value !== null) result[to] = value;
  }
  return result;
}

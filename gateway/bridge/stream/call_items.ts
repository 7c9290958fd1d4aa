/** The item of a call, for each kind of tool that is not streamed. @module */
import type { Json } from "@synth/core";
import { safeJson } from "../chat_chunk.ts";
import type { CallItem, ItemStatus } from "../output_item.ts";
import type { ToolBinding } from "../plan.ts";

type Fields = { [key: string]: Json };

/** The beginning of an item's id by kind, as clients know them. */
export const ID_PREFIX = {
  function: "fc_",
  custom: "ctc_",
  tool_search: "tsc_",
  local_shell: "lsh_",
  shell: "sh_",
  apply_patch: "apc_",
  stop: "fc_",
} as const;

/** What every call item is made of. */
export interface CallIdentity {
  readonly id: string;
  readonly callId: string;
  readonly binding: ToolBinding;
}

/** The item with its arguments as the upstream wrote them (for `custom`: the decoded input). */
export function callItem(call: CallIdentity, status: ItemStatus, text: string): CallItem {
  const { id, callId: call_id, binding } = call;
  const space = binding.namespace === null ? {} : { namespace: binding.namespace };
  switch (binding.kind) {
    case "custom":
      return {
        id,
        type: "custom_tool_call",
        status,
        call_id,
        name: binding.name,
        input: text,
        ...space,
      };
    case "tool_search":
      return {
        id,
        type: "tool_search_call",
        status,
        call_id,
        execution: "client",
        arguments: fieldsOf(text),
      };
    case "local_shell":
      return {
        id,
        type: "local_shell_call",
        status,
        call_id,
        action: localShellAction(fieldsOf(text)),
      };
    case "shell":
      return {
        id,
        type: "shell_call",
        status,
        call_id,
        action: shellAction(fieldsOf(text)),
        environment: null,
      };
    case "apply_patch":
      return {
        id,
        type: "apply_patch_call",
        status,
        call_id,
        operation: patchOperation(fieldsOf(text)),
      };
    default:
      return {
        id,
        type: "function_call",
        status,
        call_id,
        name: binding.name,
        arguments: text,
        ...space,
      };
  }
}

/** The members of a JSON object; of anything else none. */
export function fieldsOf(text: string): Fields {
  try {
    const value = safeJson(JSON.parse(text));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Not JSON: the client will miss the members and tell the model.
  }
  return {};
}

function localShellAction(
  fields: Fields,
): Extract<CallItem, { type: "local_shell_call" }>["action"] {
  const timeout = fields.timeout_ms;
  const directory = fields.workdir ?? fields.working_directory;
  return {
    type: "exec",
    command: typeof fields.command === "string"
      ? ["bash", "-lc", fields.command]
      : strings(fields.command),
    env: stringMembers(fields.env),
    ...(typeof timeout === "number" ? { timeout_ms: timeout } : {}),
    ...(typeof directory === "string" ? { working_directory: directory } : {}),
  };
}

function shellAction(fields: Fields): Extract<CallItem, { type: "shell_call" }>["action"] {
  const { commands, timeout_ms, max_output_length } = fields;
  return {
    commands: typeof commands === "string" ? [commands] : strings(commands),
    timeout_ms: typeof timeout_ms === "number" ? timeout_ms : null,
    max_output_length: typeof max_output_length === "number" ? max_output_length : null,
  };
}

/** Models give the operation itself as often as wrapped in `operation`. */
function patchOperation(fields: Fields): Fields {
  const inner = fields.operation;
  return typeof inner === "object" && inner !== null && !Array.isArray(inner) ? inner : fields;
}

function strings(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((one) => typeof one === "string") : [];
}

function stringMembers(value: Json | undefined): { [key: string]: string } {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] =>
      typeof entry[1] === "string"
    ),
  );
}
